//! The state of every stream, and which of them are forgotten.
//!
//! The map is locked for as long as it takes to find a stream, a stream for as long as a step takes. Steps of one stream
//! come one after the other; steps of different streams do not wait for each other.

use std::collections::hash_map::RandomState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::live::{LiveModel, LiveState, Refusal, Scratch};

/// All open streams.
pub struct Streams {
    most: usize,
    idle: Duration,
    map: Mutex<Map>,
}

struct Map {
    /// With a hash that no client can foresee.
    streams: LruCache<String, Entry, RandomState>,
    counted: Counted,
}

struct Entry {
    stream: Arc<Mutex<Stream>>,
    used: Instant,
}

struct Stream {
    state: LiveState,
    steps: u64,
}

/// How many streams there are, and how many there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    pub open: usize,
    /// Forgotten because a client said so.
    pub deleted: u64,
    /// Forgotten because their room was needed and nobody had used them for long enough.
    pub expired: u64,
}

/// Why a step was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum NoStep {
    /// All streams that there may be are in use.
    Full,
    /// The row has no prediction.
    Refused(Refusal),
}

impl Streams {
    /// At most `most`, of which one may be forgotten after `idle` without a step, if its room is needed.
    pub fn new(most: usize, idle: Duration) -> Self {
        let streams = LruCache::unbounded_with_hasher(RandomState::new());
        Self { most, idle, map: Mutex::new(Map { streams, counted: Counted::default() }) }
    }

    /// Takes the stream `id` a step on, or begins it. The number of this step, from 1, and the predictions.
    pub fn step(
        &self,
        model: &LiveModel,
        id: &str,
        inputs: &[f64],
        scratch: &mut Scratch,
    ) -> Result<(u64, Vec<f64>), NoStep> {
        let stream = self.find(model, id)?;
        // Whoever else has this stream in hand finishes first. Where the map forgets it meanwhile, this is its last step.
        let mut stream = lock(&stream);
        let predictions = model.step(&mut stream.state, inputs, scratch).map_err(NoStep::Refused)?;
        stream.steps += 1;
        Ok((stream.steps, predictions))
    }

    /// The stream `id`, a new one if there is none.
    fn find(&self, model: &LiveModel, id: &str) -> Result<Arc<Mutex<Stream>>, NoStep> {
        let mut map = lock(&self.map);
        let now = Instant::now();
        if let Some(entry) = map.streams.get_mut(id) {
            entry.used = now;
            return Ok(entry.stream.clone());
        }
        if map.streams.len() >= self.most {
            // Each step moves its stream to the front, so the last one has waited longest.
            let expired = map.streams.peek_lru().is_some_and(|(_, entry)| now - entry.used >= self.idle);
            if !expired {
                return Err(NoStep::Full);
            }
            map.streams.pop_lru();
            map.counted.expired += 1;
        }
        let state = model.state().map_err(NoStep::Refused)?;
        let stream = Arc::new(Mutex::new(Stream { state, steps: 0 }));
        map.streams.put(id.to_owned(), Entry { stream: stream.clone(), used: now });
        Ok(stream)
    }

    /// Forgets the stream `id`; whether there was one.
    pub fn forget(&self, id: &str) -> bool {
        let mut map = lock(&self.map);
        let found = map.streams.pop(id).is_some();
        map.counted.deleted += u64::from(found);
        found
    }

    pub fn count(&self) -> Counted {
        let map = lock(&self.map);
        Counted { open: map.streams.len(), ..map.counted }
    }
}

/// Locks, also after a panic elsewhere: nothing here is left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
