//! An allocator that counts what each thread allocates, and what it shows of a trainer and a predictor, with sizes in
//! the type or without.

#![allow(unsafe_code)] // A global allocator cannot be written without.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::ControlFlow;

use bptt::{Dataset, Dim, Float, Level, Model, Predictor, TrainConfig, Trainer};

pub const LENGTHS: [usize; 5] = [4, 1, 9, 2, 6];
const EPOCHS: usize = 6;

/// The system's allocator, counting.
struct Counting;

thread_local! {
    /// Allocations of this thread: the tests run side by side. Constant and without a destructor, so that
    /// reaching it never allocates.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no counter any more, and nothing to count.
    let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
}

pub fn allocations() -> usize {
    ALLOCATIONS.with(Cell::get)
}

// SAFETY: every call goes to `System` with its arguments unchanged; counting touches no allocator state.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `alloc`'s contract, which is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `alloc_zeroed`'s contract, which is `System`'s.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `realloc`'s contract, and `pointer` came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract, and `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting;

/// Several epochs through `fit`, then another `fit` and single epochs over the same and over fewer data.
pub fn check_training<I: Dim, H: Dim, O: Dim, T: Float>(model: &Model<I, H, O, T>, data: &Dataset<T, I, O>) {
    let fewer = data.subset(&[1, 3]).unwrap();
    for level in Level::available() {
        for batch_size in [1, 3] {
            let config = TrainConfig { batch_size, shuffle: Some(1), ..Default::default() };
            let mut trainer = Trainer::with_level(model.clone(), config, level).unwrap();
            let mut after = Vec::with_capacity(EPOCHS);
            let before = allocations();
            let callback = |_: &_, _: &_| {
                after.push(allocations());
                ControlFlow::Continue(())
            };
            trainer.fit(data, EPOCHS, callback).unwrap();
            assert!(after[0] > before, "the first epoch makes room, so the count must see it");
            assert_eq!(after, [after[0]; EPOCHS], "{level}, batches of {batch_size}");

            trainer.fit(data, EPOCHS, |_, _| ControlFlow::Continue(())).unwrap();
            trainer.epoch(data).unwrap();
            trainer.epoch(&fewer).unwrap();
            trainer.epoch(data).unwrap();
            assert_eq!(allocations(), after[0], "{level}, batches of {batch_size}");
        }
    }
}

pub fn check_prediction<I: Dim, H: Dim, O: Dim, T: Float>(
    model: &Model<I, H, O, T>,
    data: &Dataset<T, I, O>,
) {
    let mut outputs = vec![T::ZERO; data.labels().len()];
    for level in Level::available() {
        let mut predictor = Predictor::with_level(model, level).unwrap();
        let before = allocations();
        let (i, o) = (model.input_size(), model.output_size());
        let longest = LENGTHS[2];
        predictor.predict_into(&data.features()[..longest * i], &mut outputs[..longest * o]).unwrap();
        let first = allocations();
        assert!(first > before, "the first prediction makes room, so the count must see it");
        for steps in (0..=longest).rev() {
            predictor.predict_into(&data.features()[..steps * i], &mut outputs[..steps * o]).unwrap();
        }
        predictor.predict_sequences_into(data.features(), data.offsets(), &mut outputs).unwrap();
        assert_eq!(allocations(), first, "{level}");
    }
}
