//! From a model with run-time facts (level, activation, sizes) to one compiled body.
//!
//! [`launch`] resolves level and sizes once and then runs a [`Job`] whose every branch on them has been decided at
//! compile time. A model with compile-time sizes gets a body of its own, compiled where it is used. Models with run-time
//! sizes share the bodies of [`Compiled`], which are compiled once, with this crate. The activation stays a value, but for
//! the sweeps of sizes known at compile time: one predictable branch a row costs less than three times the bodies.

use super::activation::Activation;
use super::level::{Isa, Kernel, Level};
use crate::cell::Layout;
use crate::dim::{Const, Dim, Dyn, Visitor};
use crate::epoch::{BatchGradient, Diverged, SgdMany, SgdOne};
use crate::optim::Step;
use crate::predict::Predict;
use crate::stack::Stack;
use crate::stack::job::{Learn, Run};
use crate::stream::plan::{Functions, Plan, prepare};

/// Work over a model: an epoch, a batch, a prediction.
pub(crate) trait Job: Sized {
    /// The type it works on.
    type Element;
    type Output;
    /// The body. Must be `#[inline(always)]`, so that it is compiled for the level that calls it.
    fn run<S: Isa, I: Dim, H: Dim, O: Dim>(
        self,
        activation: Activation,
        layout: Layout<I, H, O>,
    ) -> Self::Output;

    /// The bodies for run-time sizes, compiled with this crate.
    fn run_compiled(self, place: Place) -> Self::Output;
}

/// Runs `job` at `level`, for `activation` and the sizes of `layout`.
pub(crate) fn launch<I: Dim, H: Dim, O: Dim, J: Job>(
    level: Level,
    activation: Activation,
    layout: Layout<I, H, O>,
    job: J,
) -> J::Output {
    if H::IS_CONST {
        return run_with(level, activation, layout, job);
    }
    job.run_compiled(Place { level, activation, layout: layout.erased() })
}

/// Runs `job` with the types that `layout` has.
#[inline(always)]
fn run_with<I: Dim, H: Dim, O: Dim, J: Job>(
    level: Level,
    activation: Activation,
    layout: Layout<I, H, O>,
    job: J,
) -> J::Output {
    level.run(Bound { activation, layout, job })
}

/// Runs a job with its hidden size promoted to a constant, and one output.
struct Promote<J> {
    place: Place,
    job: J,
}

impl<J: Job> Visitor for Promote<J> {
    type Output = J::Output;

    #[inline(always)]
    fn visit<H: Dim>(self, hidden: H) -> J::Output {
        let Place { level, activation, layout } = self.place;
        if const { H::IS_CONST } {
            run_with(level, activation, Layout { input: layout.input, hidden, output: Const::<1> }, self.job)
        } else {
            // No other body for a size that is not on the menu.
            self.place.plain(self.job)
        }
    }
}

/// A job with its activation and sizes.
pub(crate) struct Bound<I, H, O, J> {
    pub activation: Activation,
    pub layout: Layout<I, H, O>,
    pub job: J,
}

impl<I: Dim, H: Dim, O: Dim, J: Job> Kernel for Bound<I, H, O, J> {
    type Element = J::Element;
    type Output = J::Output;

    #[inline(always)]
    fn run<S: Isa>(self) -> J::Output {
        self.job.run::<S, _, _, _>(self.activation, self.layout)
    }
}

/// Where a job with run-time sizes runs.
#[derive(Clone, Copy)]
pub struct Place {
    level: Level,
    activation: Activation,
    layout: Layout<Dyn, Dyn, Dyn>,
}

impl Place {
    /// Promotes the sizes where they are a hidden size of the menu and a single output, then runs.
    #[inline(always)]
    fn promoted<J: Job>(self, job: J) -> J::Output {
        if self.layout.output.size() == 1 {
            return self.layout.hidden.promote(Promote { place: self, job });
        }
        self.plain(job)
    }

    /// Runs with the sizes as they are.
    #[inline(always)]
    fn plain<J: Job>(self, job: J) -> J::Output {
        run_with(self.level, self.activation, self.layout, job)
    }
}

/// The bodies for run-time sizes. They are not generic, so that they are compiled with this crate and not again
/// in every crate that uses it. A supertrait of [`crate::Float`].
pub trait Compiled: Sized {
    fn sgd_one(job: SgdOne<'_, Self>, place: Place) -> Result<f64, Diverged>;
    fn sgd_many(job: SgdMany<'_, Self>, place: Place) -> Result<f64, Diverged>;
    fn batch_gradient(job: BatchGradient<'_, Self>, place: Place) -> f64;
    fn predict(job: Predict<'_, Self>, place: Place);
    fn learn(job: Learn<'_, Self>, level: Level) -> f64;
    fn run(job: Run<'_, Self>, level: Level);
    fn step(job: Step<'_, Self>, level: Level);
    fn prepare(
        stack: Stack,
        flat: &[Self],
        level: Level,
    ) -> Result<(Plan<Self>, Functions<Self>), crate::Error>;
}

macro_rules! compiled {
    ($($type:ty)*) => {$(
        impl Compiled for $type {
            fn sgd_one(job: SgdOne<'_, Self>, place: Place) -> Result<f64, Diverged> {
                // Here the sweep decides, and a size that is known gives it its registers.
                place.promoted(job)
            }
            fn sgd_many(job: SgdMany<'_, Self>, place: Place) -> Result<f64, Diverged> {
                place.promoted(job)
            }
            fn batch_gradient(job: BatchGradient<'_, Self>, place: Place) -> f64 {
                // Called once in a while, by code that brings its own optimizer: not worth the menu.
                place.plain(job)
            }
            fn predict(job: Predict<'_, Self>, place: Place) {
                // A forward pass is a third of the work of training, and rarely what one waits for.
                place.plain(job)
            }
            fn learn(job: Learn<'_, Self>, level: Level) -> f64 {
                level.run(job)
            }
            fn run(job: Run<'_, Self>, level: Level) {
                level.run(job);
            }
            fn step(job: Step<'_, Self>, level: Level) {
                level.run(job);
            }
            fn prepare(stack: Stack, flat: &[Self], level: Level) -> Result<(Plan<Self>, Functions<Self>), crate::Error> {
                prepare(stack, flat, level)
            }
        }
    )*};
}
compiled!(f32 f64);
