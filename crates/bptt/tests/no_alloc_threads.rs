//! After the first epoch, and after the first prediction, no thread allocates anything. A file of its own: allocations of
//! all threads are counted together, so that no other test may run beside it.

#![allow(unsafe_code)] // A global allocator cannot be written without.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bptt::{
    Activation, Architecture, Dataset, DynRnn, Loss, Optimizer, Predictor, Stream, TrainConfig, Trainer,
};

/// The system's allocator, counting.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

fn allocations() -> usize {
    ALLOCATIONS.load(Ordering::SeqCst)
}

// SAFETY: every call goes to `System` with its arguments unchanged; counting touches no allocator state.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the caller keeps `alloc`'s contract, which is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract, and `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting;

fn data() -> Dataset<f32> {
    let mut data = Dataset::new(3, 2).unwrap();
    for number in 0..150 {
        let steps = 1 + (number * 7) % 40;
        data.push(&vec![0.5; 3 * steps], &vec![1.0; 2 * steps]).unwrap();
    }
    data
}

fn settings() -> Vec<(usize, Architecture, TrainConfig)> {
    let plain = TrainConfig { batch_size: 64, shuffle: Some(1), threads: 3, ..Default::default() };
    let elman = Architecture::elman(Activation::Tanh);
    let both = Architecture::lstm().num_layers(2).bidirectional(true).dropout(0.3);
    let adam = TrainConfig {
        optimizer: Optimizer::adam(),
        clip_norm: Some(0.1),
        loss: Loss::Mae,
        accumulate: 2,
        ..plain.clone()
    };
    let windows = TrainConfig { truncate: Some(10), ..plain.clone() };
    vec![(10, elman, plain.clone()), (40, elman, plain), (9, both, adam), (17, Architecture::gru(), windows)]
}

#[test]
fn no_thread_allocates_after_the_first_epoch() {
    let data = data();
    let mut outputs = vec![0.0; data.labels().len()];
    // A new thread allocates for itself, whenever it comes to it.
    let settled = || {
        std::thread::sleep(Duration::from_millis(100));
        allocations()
    };
    for (hidden, architecture, config) in settings() {
        let model = DynRnn::<f32>::with_architecture(3, hidden, 2, architecture, 1).unwrap();
        let mut trainer = Trainer::new(model.clone(), config.clone()).unwrap();
        trainer.epoch(&data).unwrap();
        let before = settled();
        for _ in 0..5 {
            trainer.epoch(&data).unwrap();
        }
        assert_eq!(settled(), before, "{architecture:?} {config:?}");
        assert!(trainer.threads() > 1);

        let mut predictor = Predictor::new(&model).unwrap().threads(3);
        let mut predict = || {
            predictor.predict_sequences_into(data.features(), data.offsets(), &mut outputs).unwrap();
            predictor.threads_used()
        };
        predict();
        let before = settled();
        let threads = (0..5).map(|_| predict()).max();
        assert_eq!(settled(), before, "{architecture:?}");
        assert!(threads > Some(1));
    }

    let model = DynRnn::<f32>::with_architecture(64, 400, 2, Architecture::lstm().num_layers(2), 1).unwrap();
    let mut stream = Stream::new(&model).unwrap().threads(3);
    let mut step = || {
        stream.step(&[0.5; 64]).unwrap();
        stream.threads_used()
    };
    step();
    let before = settled();
    let threads = (0..20).map(|_| step()).max();
    assert_eq!(settled(), before);
    assert!(threads > Some(1));
}
