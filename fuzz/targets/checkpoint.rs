//! Checkpoints: refused, or read, written again, and gone on from.
#![no_main]

use std::ops::ControlFlow::Continue;

use bptt::file::{AnyState, Checkpoint};
use bptt::{Dataset, DynRnn, Float, Run, TrainConfig, Trainer, TrainerState};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for bytes in [bytes.to_vec(), bptt_fuzz::signed(bytes)] {
        match Checkpoint::from_bytes(&bytes) {
            Ok(checkpoint) => {
                let again = checkpoint.to_bytes().expect("what was read can be written");
                assert!(Checkpoint::from_bytes(&again).and_then(|c| c.to_bytes()).as_ref() == Ok(&again));
                match checkpoint.state {
                    AnyState::F32(state) => go_on(state),
                    AnyState::F64(state) => go_on(state),
                }
            }
            Err(error) => assert!(!error.to_string().contains(char::is_control)),
        }
    }
});

/// Three epochs on the seeds' data, where the settings are the seeds'.
fn go_on<T: Float>(state: TrainerState<T>) {
    let model = state.model();
    let small = model.params().count() < 10_000;
    if !small || (model.input_size(), model.output_size()) != (3, 1) {
        return;
    }
    let mut data = Dataset::<T>::new(3, 1).expect("sizes");
    for steps in [4, 2, 7, 3, 5] {
        data.push(&vec![T::ONE; 3 * steps], &vec![T::ZERO; steps]).expect("a sequence");
    }
    for config in bptt_fuzz::configs() {
        let sizes = (model.input_size(), model.hidden_size(), model.output_size());
        let fresh = DynRnn::with_architecture(sizes.0, sizes.1, sizes.2, model.architecture(), 1);
        let Ok(fresh) = fresh else { return };
        // Windows are not for bidirectional networks.
        let Ok(mut trainer) = Trainer::<_, _, _, T>::new(fresh, TrainConfig::clone(&config)) else {
            continue;
        };
        if trainer.restore(state.clone()).is_ok() {
            let run = Run { epochs: trainer.epochs().saturating_add(3), ..Run::default() };
            let _ = trainer.run(&data, Some(data.view()), run, |_, _| Continue(()));
        }
    }
}
