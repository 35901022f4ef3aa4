//! [`Workspace`]: every buffer that training or prediction needs, allocated once.

use crate::abreast;
use crate::buffer::Buffer;
use crate::cell::Layout;
use crate::dataset::longest;
use crate::dim::Dim;
use crate::epoch::InStep;
use crate::kernel::blocks;
use crate::kernel::level::Isa;
use crate::kernel::tile::Matrix;
use crate::kernel::transpose::transpose;
use crate::kernel::vector::Vector;
use crate::threads::tempo::Tempo;
use crate::threads::{inner, share};
use crate::{Float, Result};
use std::sync::Mutex;
use std::time::Instant;

/// Bytes of hidden states and their gradients that sequences are grouped into: what a first-level cache holds beside
/// the weights.
const GROUP_BYTES: usize = 24 << 10;

/// The buffers of passes. `P` is `H` padded to cache lines.
///
/// Once it is built, an epoch allocates nothing; it grows only when longer sequences or larger batches come.
#[derive(Debug)]
pub struct Workspace<T> {
    derived: Derived<T>,
    /// For [`Single::blocks`].
    blocks: Buffer<T>,
    /// One for each part of a batch, or for each thread of a prediction.
    rooms: Vec<Mutex<Room<T>>>,
    /// The sequences of a batch, part after part.
    dealt: Vec<usize>,
    /// Sequences that a part has at most.
    share: usize,
    /// Of threads that keep step, as many as `team`; where one may be quicker, `tempo` knows.
    in_step: InStep<T>,
    team: usize,
    tempo: Option<Tempo>,
}

/// What is derived from the parameters.
#[derive(Debug)]
pub struct Derived<T> {
    /// `weight_hh` output-major, for the backward sweep. (H, P)
    pub weight_hh_t: Buffer<T>,
    /// `b_ih + b_hh`. (P)
    pub bias: Buffer<T>,
}

/// What one thread needs for itself.
///
/// A row belongs to one timestep of one sequence; rows are ordered by timestep, then by sequence (see
/// [`crate::group`]).
#[derive(Debug, Default)]
pub struct Room<T> {
    hidden: Buffer<T>,
    delta: Buffer<T>,
    d_output: Buffer<T>,
    abreast: Buffer<T>,
    /// The gradient of a part; the first one adds to the batch's.
    pub gradient: Buffer<T>,
    /// The sum of a part's squared errors.
    pub error: f64,
    /// The sequences that a prediction works on at a time.
    pub members: Vec<usize>,
    /// Rows that there is room for.
    rows: usize,
    /// Of those, and of `abreast`, what the data at hand take. So it does not depend on what came before how sequences
    /// are grouped.
    used: (usize, usize),
}

/// The buffers of one part, as slices, with what all parts read.
pub struct Scratch<'w, T> {
    /// `h` after each step. (rows, P)
    pub hidden: &'w mut [T],
    /// The gradient before the activation. (rows, P)
    pub delta: &'w mut [T],
    /// The gradient of the outputs. (rows, O)
    pub d_output: &'w mut [T],
    /// `weight_hh` output-major, for the backward sweep. (H, P)
    pub weight_hh_t: &'w [T],
    /// `b_ih + b_hh`. (P)
    pub bias: &'w [T],
    /// The buffer of [`crate::abreast`].
    pub abreast: &'w mut [T],
    /// Rows that a group may have.
    pub rows: usize,
}

/// The buffers of one sequence, whose update keeps what is derived from the weights current.
pub struct Single<'w, T> {
    /// See [`Scratch::hidden`].
    pub hidden: &'w mut [T],
    /// See [`Scratch::delta`].
    pub delta: &'w mut [T],
    /// See [`Scratch::d_output`].
    pub d_output: &'w mut [T],
    /// See [`Scratch::weight_hh_t`].
    pub weight_hh_t: &'w mut [T],
    /// See [`Scratch::bias`].
    pub bias: &'w mut [T],
    /// The weights of few units' inputs, see [`crate::kernel::blocks`].
    pub blocks: &'w mut [T],
}

/// What the parts of a batch share, and what each has for itself.
pub struct Parts<'w, T> {
    pub derived: &'w Derived<T>,
    pub rooms: &'w mut [Mutex<Room<T>>],
    pub dealt: &'w mut [usize],
}

impl<T: Float> Workspace<T> {
    /// For networks of this layout, as yet without room for any sequence.
    pub fn new<I: Dim, H: Dim, O: Dim>(layout: Layout<I, H, O>) -> Result<Self> {
        Ok(Self {
            derived: Derived::new(layout)?,
            blocks: Buffer::zeroed(blocks::elements::<T>(layout.input.size(), layout.hidden.size()))?,
            rooms: Vec::new(),
            dealt: Vec::new(),
            share: 1,
            in_step: InStep::default(),
            team: 1,
            tempo: None,
        })
    }

    /// Makes room for batches of `batch` of the sequences with these `offsets`, and gradients of `elements` elements, on up to `most`
    /// threads that keep step; allocates only where that is more than ever before.
    pub fn fit<I: Dim, H: Dim, O: Dim>(
        &mut self,
        layout: Layout<I, H, O>,
        offsets: &[usize],
        (batch, elements): (usize, usize),
        most: usize,
    ) -> Result<()> {
        let timesteps = offsets[offsets.len() - 1].div_ceil((offsets.len() - 1).max(1));
        let work = timesteps.saturating_mul(3 * elements);
        self.share = share::sequences(batch, timesteps, work, share::LEAST_WORK_IN_STEP).max(1);
        let count = batch.div_ceil(self.share);
        self.fit_rooms(layout, longest(offsets), (self.share, count))?;
        self.team = count.min(most).max(1);
        if self.team > 1 {
            self.in_step.fit(layout, elements, (self.team, count))?;
            for room in &mut self.rooms[..self.team] {
                let members = &mut inner(room).members;
                members.clear();
                members.reserve_exact(self.share.next_multiple_of(T::LINE));
            }
            let is_unsure = self.share.saturating_mul(work) < share::LEAST_WORK;
            self.tempo = is_unsure.then(|| self.tempo.take().unwrap_or_default());
        }
        if count > 1 && self.dealt.len() < batch {
            self.dealt.resize(batch, 0);
        }
        for room in self.rooms.iter_mut().take(if count > 1 { count } else { 0 }) {
            let gradient = &mut inner(room).gradient;
            if gradient.is_empty() {
                *gradient = Buffer::zeroed(elements)?;
            }
        }
        Ok(())
    }

    /// Makes `count` rooms for `batch` sequences each of up to `longest` timesteps, or for as many at a time as are worth
    /// it.
    pub fn fit_rooms<I: Dim, H: Dim, O: Dim>(
        &mut self,
        layout: Layout<I, H, O>,
        longest: usize,
        (batch, count): (usize, usize),
    ) -> Result<()> {
        if self.rooms.len() < count {
            self.rooms.resize_with(count, Mutex::default);
        }
        self.rooms.iter_mut().take(count).try_for_each(|room| inner(room).fit(layout, longest, batch))
    }

    /// Makes room for the numbers of `count` sequences in each room.
    pub fn fit_members(&mut self, count: usize) {
        for room in &mut self.rooms {
            let members = &mut inner(room).members;
            members.clear();
            members.reserve_exact(count);
        }
    }

    /// What parts need.
    #[inline(always)]
    pub fn parts(&mut self) -> Parts<'_, T> {
        let Self { derived, rooms, dealt, .. } = self;
        Parts { derived, rooms, dealt }
    }

    /// The buffers of one sequence.
    #[inline(always)]
    pub fn single(&mut self) -> Single<'_, T> {
        let Self { derived: Derived { weight_hh_t, bias }, blocks, rooms, .. } = self;
        let Room { hidden, delta, d_output, .. } = inner(&mut rooms[0]);
        Single { hidden, delta, d_output, weight_hh_t, bias, blocks }
    }

    /// Sequences that a part has at most, and elements that there are for sequences abreast.
    #[inline(always)]
    pub fn share(&mut self) -> (usize, usize) {
        (self.share, inner(&mut self.rooms[0]).used.1)
    }

    /// See [`Derived::refresh`].
    #[inline(always)]
    pub fn refresh<S: Isa, I: Dim, H: Dim, O: Dim>(
        &mut self,
        layout: Layout<I, H, O>,
        flat: &[T],
        is_abreast: bool,
    ) {
        self.derived.refresh::<S, _, _, _>(layout, flat, is_abreast);
    }

    /// Whether threads are to keep step in the batches that come.
    pub fn goes_in_step(&self) -> bool {
        self.team > 1 && self.tempo.as_ref().is_none_or(Tempo::choose)
    }

    /// What threads that keep step need, a room for each and how many they are.
    pub fn team(&mut self) -> (&mut InStep<T>, &[Mutex<Room<T>>], usize) {
        (&mut self.in_step, &self.rooms, self.team)
    }

    /// When batches begin, where it is not known whether threads are quicker that keep step.
    pub fn started(&self) -> Option<Instant> {
        (self.team > 1 && self.tempo.is_some()).then(Instant::now)
    }

    /// Batches of `sequences` sequences, which began then, are done: their time counts for the way that they went.
    pub fn ended(&mut self, started: Option<Instant>, sequences: usize) {
        if let (Some(started), Some(tempo)) = (started, &mut self.tempo) {
            tempo.took(started.elapsed(), sequences);
        }
    }
}

impl<T: Float> Derived<T> {
    /// Not yet derived.
    pub fn new<I: Dim, H: Dim, O: Dim>(layout: Layout<I, H, O>) -> Result<Self> {
        let stride = layout.stride::<T>();
        // A product that overflows saturates, so that the allocation is refused instead of being too small.
        let weight_hh_t = Buffer::zeroed(layout.hidden.size().saturating_mul(stride))?;
        Ok(Self { weight_hh_t, bias: Buffer::zeroed(stride)? })
    }

    /// Derives what is needed after an update that does not keep it current: sequences abreast read no transpose.
    #[inline(always)]
    pub fn refresh<S: Isa, I: Dim, H: Dim, O: Dim>(
        &mut self,
        layout: Layout<I, H, O>,
        flat: &[T],
        is_abreast: bool,
    ) {
        let weights = layout.split(flat);
        // Rows are padded.
        for at in (0..layout.hidden.size()).step_by(T::Vector::<S>::LANES) {
            let sum =
                T::Vector::<S>::load(weights.bias_ih, at).add(T::Vector::<S>::load(weights.bias_hh, at));
            sum.store(&mut self.bias, at);
        }
        if !is_abreast {
            let weight_hh = Matrix::new(weights.weight_hh, layout.stride::<T>());
            transpose::<T, S, _>(weight_hh, layout.hidden, &mut self.weight_hh_t);
        }
    }
}

impl<T: Float> Room<T> {
    fn with_room<I: Dim, H: Dim, O: Dim>(
        &mut self,
        layout: Layout<I, H, O>,
        rows: usize,
        abreast: usize,
        groups: bool,
    ) -> Result<()> {
        let stride = layout.stride::<T>();
        // A strided view of the last sequence of a group may reach beyond the last row, by less than a group.
        let reserved = if groups { rows.saturating_mul(2) } else { rows };
        self.hidden = Buffer::zeroed(reserved.saturating_mul(stride))?;
        self.delta = Buffer::zeroed(reserved.saturating_mul(stride))?;
        self.d_output = Buffer::zeroed(reserved.saturating_mul(layout.output.size()))?;
        self.abreast = Buffer::zeroed(abreast)?;
        self.rows = rows;
        Ok(())
    }

    /// How many rows a group may have.
    fn rows<I: Dim, H: Dim, O: Dim>(layout: Layout<I, H, O>, longest: usize, batch_size: usize) -> usize {
        let row_bytes = layout.stride::<T>().saturating_mul(2 * size_of::<T>());
        // Where the weights are larger than that, a group has to be large enough to be worth reading them.
        let bytes = GROUP_BYTES.max(row_bytes.saturating_mul(2 * layout.hidden.size()));
        let (least, most) = (longest.saturating_mul(batch_size.min(4)), longest.saturating_mul(batch_size));
        (bytes / row_bytes).max(least).min(most)
    }

    /// Makes room for `batch_size` sequences of up to `longest` timesteps.
    fn fit<I: Dim, H: Dim, O: Dim>(
        &mut self,
        layout: Layout<I, H, O>,
        longest: usize,
        batch_size: usize,
    ) -> Result<()> {
        let rows = Self::rows(layout, longest, batch_size);
        let abreast = abreast::elements::<T, I, H, O>(layout, longest, batch_size);
        let has_groups = self.hidden.len() > self.rows * layout.stride::<T>();
        let groups = batch_size > 1 || has_groups;
        if rows > self.rows || abreast > self.abreast.len() || groups != has_groups {
            // What there was room for stays: a trainer goes back and forth between data sets.
            self.with_room(layout, rows.max(self.rows), abreast.max(self.abreast.len()), groups)?;
        }
        self.used = (rows, abreast);
        Ok(())
    }

    /// The buffers, but for those that are for the caller: the gradient, and the numbers of sequences.
    #[inline(always)]
    pub fn scratch<'w>(
        &'w mut self,
        derived: &'w Derived<T>,
    ) -> (Scratch<'w, T>, &'w mut [T], &'w mut Vec<usize>) {
        let Derived { weight_hh_t, bias } = derived;
        let Self { hidden, delta, d_output, abreast, gradient, members, used, .. } = self;
        let abreast = &mut abreast[..used.1];
        (Scratch { hidden, delta, d_output, weight_hh_t, bias, abreast, rows: used.0 }, gradient, members)
    }
}
