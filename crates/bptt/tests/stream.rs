//! Live data: interleaved streams give the bits of whole-sequence prediction; states travel; misfits are errors.

use bptt::{Activation, Architecture, Cell, DynRnn, Error, Float, Level, Predictor, Rng, State};
use bptt::{Stepper, Stream, Workers};

/// Every cell.
fn cells() -> Vec<Architecture> {
    let named = |name| Cell::NAMES.into_iter().filter(move |n| *n == name);
    let elman = Activation::ALL.map(|a| Cell::from_name("elman", a));
    let others = Cell::NAMES.into_iter().filter(|name| named("elman").all(|n| n != *name));
    let others = others.map(|name| Cell::from_name(name, Activation::Tanh));
    elman.into_iter().chain(others).flatten().map(Architecture::new).collect()
}

fn numbers<T: Float>(count: usize, rng: &mut Rng) -> Vec<T> {
    (0..count).map(|_| T::from_f64(4.0 * rng.uniform() - 2.0)).collect()
}

fn bits<T: Float>(values: &[T]) -> Vec<u64> {
    values.iter().map(|value| value.to_f64().to_bits()).collect()
}

/// Sequences of several lengths, whose timesteps come in any order.
fn check_interleaved<T: Float>(sizes: (usize, usize, usize), architecture: Architecture, level: Level) {
    let (i, h, o) = sizes;
    let mut rng = Rng::new(h as u64);
    let model = DynRnn::<T>::with_architecture(i, h, o, architecture, 3).unwrap();
    let offsets = [0, 3, 10, 11, 15, 20];
    let rows = *offsets.last().unwrap();
    let features = numbers::<T>(rows * i, &mut rng);
    let mut whole = vec![T::ZERO; rows * o];
    let mut predictor = Predictor::with_level(&model, level).unwrap();
    predictor.predict_sequences_into(&features, &offsets, &mut whole).unwrap();

    let stepper = Stepper::with_level(&model, level).unwrap();
    let sequences = offsets.len() - 1;
    let mut states: Vec<_> = (0..sequences).map(|_| stepper.state().unwrap()).collect();
    let mut at = offsets;
    let mut found = vec![T::ZERO; rows * o];
    let mut left = rows;
    while left > 0 {
        let s = rng.below(sequences);
        if at[s] == offsets[s + 1] {
            continue;
        }
        let row = at[s];
        stepper
            .step(&mut states[s], &features[row * i..(row + 1) * i], &mut found[row * o..(row + 1) * o])
            .unwrap();
        at[s] += 1;
        left -= 1;
    }
    assert_eq!(bits(&found), bits(&whole), "{sizes:?} {architecture:?} {} {level}", T::DTYPE);

    // The states are those that a prediction ends with.
    let mut outputs = vec![T::ZERO; rows * o];
    let state = predictor.predict_from(None, &features, &offsets, &mut outputs).unwrap();
    for (s, stream) in states.iter().enumerate() {
        let saved = stream.save().unwrap();
        for (all, one) in [(&state.h, &saved.h), (&state.c, &saved.c)] {
            for layer in 0..all.len() / (sequences * h) {
                let theirs = &all[(layer * sequences + s) * h..][..h];
                assert_eq!(bits(theirs), bits(&one[layer * h..][..h]), "{sizes:?} {architecture:?} {level}");
            }
        }
    }
}

#[test]
fn interleaved_streams_are_whole_sequences_bit_for_bit() {
    let sizes = (1..=9).map(|h| (3, h, 1)).chain([
        (1, 10, 1),
        (4, 15, 2),
        (5, 16, 1),
        (29, 17, 3),
        (2, 31, 1),
        (7, 33, 17),
        (100, 20, 1),
        (6, 64, 2),
    ]);
    for sizes in sizes {
        for level in Level::available() {
            for cell in cells() {
                check_interleaved::<f32>(sizes, cell, level);
                check_interleaved::<f64>(sizes, cell, level);
                check_interleaved::<f32>(sizes, cell.num_layers(3), level);
                check_interleaved::<f64>(sizes, cell.num_layers(2), level);
            }
        }
    }
}

#[test]
fn large_streams_are_whole_sequences_bit_for_bit() {
    for level in Level::available() {
        for cell in cells() {
            for sizes in [(3, 128, 1), (20, 257, 2), (300, 300, 1), (40, 512, 1)] {
                check_interleaved::<f32>(sizes, cell, level);
            }
            check_interleaved::<f64>((20, 257, 2), cell.num_layers(2), level);
        }
    }
}

/// Steps of a network large enough for several threads.
fn check_workers<T: Float>(sizes: (usize, usize, usize), architecture: Architecture, level: Level) {
    let (i, h, o) = sizes;
    let model = DynRnn::<T>::with_architecture(i, h, o, architecture, 5).unwrap();
    let stepper = Stepper::with_level(&model, level).unwrap();
    let x = numbers::<T>(4 * i, &mut Rng::new(7));
    let mut alone = vec![T::ZERO; 4 * o];
    let mut state = stepper.state().unwrap();
    for (x, y) in x.chunks(i).zip(alone.chunks_mut(o)) {
        stepper.step(&mut state, x, y).unwrap();
    }
    for threads in [1, 2, 3, 5, 40] {
        let mut workers = Workers::new(threads);
        let mut together = vec![T::ZERO; 4 * o];
        let mut shared = stepper.state().unwrap();
        for (x, y) in x.chunks(i).zip(together.chunks_mut(o)) {
            stepper.step_with(&mut workers, &mut shared, x, y).unwrap();
        }
        assert_eq!(bits(&together), bits(&alone), "{sizes:?} {architecture:?} {level} {threads}");
        assert_eq!(shared.save().unwrap(), state.save().unwrap());
        let one = threads == 1 || architecture.cell == Cell::GruResetBefore;
        assert_eq!(workers.used() == 1, one, "{architecture:?} {threads}");
    }
}

#[test]
fn threads_take_the_steps_of_large_networks_bit_for_bit() {
    for level in Level::available() {
        for cell in cells() {
            // Blocks at the end that are narrower than the others; more threads than blocks.
            for sizes in [(500, 560, 1), (17, 733, 2)] {
                check_workers::<f32>(sizes, cell, level);
            }
            check_workers::<f64>((70, 371, 3), cell.num_layers(2), level);
        }
    }
}

#[test]
fn small_networks_and_single_streams_know_their_threads() {
    let large = DynRnn::<f32>::with_architecture(64, 400, 1, Architecture::lstm(), 1).unwrap();
    let small = DynRnn::<f32>::with_architecture(64, 40, 1, Architecture::lstm(), 1).unwrap();
    for (model, expected) in [(&large, 3), (&small, 1)] {
        let x = numbers::<f32>(64 * 3, &mut Rng::new(1));
        let whole = model.predict(&x).unwrap();
        let mut stream = Stream::new(model).unwrap().threads(3);
        for (t, x) in x.chunks(64).enumerate() {
            assert_eq!(stream.step(x).unwrap(), &whole[t..=t]);
        }
        assert_eq!(stream.threads_used(), expected);
        // A copy goes on by itself.
        let mut copy = stream.clone();
        assert_eq!(copy.step(&x[..64]).unwrap(), stream.step(&x[..64]).unwrap());
        assert!(stream.step(&x[..3]).is_err());
    }
}

#[test]
fn a_state_is_saved_and_restored() {
    for cell in cells() {
        let model = DynRnn::<f32>::with_architecture(2, 7, 2, cell.num_layers(2), 1).unwrap();
        let x = numbers::<f32>(12, &mut Rng::new(1));
        let whole = model.predict(&x).unwrap();
        let mut stream = Stream::new(&model).unwrap();
        let mut saved = vec![stream.save().unwrap()];
        for (t, row) in x.chunks(2).enumerate() {
            assert_eq!(stream.step(row).unwrap(), &whole[2 * t..2 * t + 2]);
            saved.push(stream.save().unwrap());
        }
        // From every state to the end, in a stream of its own and from the predictor's.
        let mut predictor = Predictor::new(&model).unwrap();
        for (t, state) in saved.iter().enumerate() {
            let mut other = Stream::new(&model).unwrap();
            other.step(&[9.0, 9.0]).unwrap();
            other.restore(state).unwrap();
            assert_eq!(other.save().unwrap(), *state);
            for (later, row) in x.chunks(2).enumerate().skip(t) {
                assert_eq!(other.step(row).unwrap(), &whole[2 * later..2 * later + 2], "from {t}");
            }
            let mut outputs = vec![0.0; 2 * t];
            let theirs =
                predictor.predict_from(None, &x[..2 * t], &[0, t][usize::from(t == 0)..], &mut outputs);
            if t > 0 {
                assert_eq!(theirs.unwrap(), *state);
            }
        }
        stream.reset();
        assert_eq!(stream.save().unwrap(), saved[0]);
        assert_eq!(stream.step(&x[..2]).unwrap(), &whole[..2]);
        // Into a state that is there.
        let mut state = saved[2].clone();
        let stepper = Stepper::new(&model).unwrap();
        stepper.state().unwrap().save_into(&mut state).unwrap();
        assert_eq!(state, saved[0]);
    }
}

#[test]
fn what_does_not_fit_is_an_error_and_leaves_the_state_alone() {
    let model = DynRnn::<f32>::with_architecture(2, 4, 1, Architecture::lstm(), 1).unwrap();
    let stepper = Stepper::new(&model).unwrap();
    let mut state = stepper.state().unwrap();
    let before = state.save().unwrap();
    let length = |what: &str, expected, found| Err(Error::Length { what: what.into(), expected, found });
    let mut y = [0.0; 2];
    assert_eq!(stepper.step(&mut state, &[1.0], &mut y[..1]), length("features of a timestep", 2, 1));
    assert_eq!(stepper.step(&mut state, &[1.0; 2], &mut y), length("outputs of a timestep", 1, 2));
    let other = DynRnn::<f32>::with_architecture(2, 4, 1, Architecture::gru(), 1).unwrap();
    let mut foreign = Stepper::new(&other).unwrap().state().unwrap();
    assert_eq!(stepper.step(&mut foreign, &[1.0; 2], &mut y[..1]), length("the state of the stream", 48, 32));
    assert_eq!(state.save().unwrap(), before);

    let state_of = |h: usize, c: usize| State { h: vec![1.0; h], c: vec![1.0; c] };
    assert_eq!(state.restore(&state_of(5, 4)), length("h of the state", 4, 5));
    assert_eq!(state.restore(&state_of(4, 0)), length("c of the state", 4, 0));
    assert_eq!(state.save_into(&mut state_of(4, 5)), length("c of the state", 4, 5));
    assert_eq!(state.save().unwrap(), before);

    let both = Architecture::gru().bidirectional(true);
    let model = DynRnn::<f32>::with_architecture(2, 4, 1, both, 1).unwrap();
    assert!(matches!(Stepper::new(&model), Err(Error::Setting { name: "bidirectional", .. })));
    assert!(matches!(Stream::new(&model), Err(Error::Setting { name: "bidirectional", .. })));
}

#[test]
fn threads_share_a_stepper() {
    let model = DynRnn::<f32>::with_architecture(2, 9, 1, Architecture::gru(), 1).unwrap();
    let stepper = Stepper::new(&model).unwrap();
    let x = numbers::<f32>(200, &mut Rng::new(2));
    let whole = model.predict(&x).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut state = stepper.state().unwrap();
                for (t, row) in x.chunks(2).enumerate() {
                    let mut y = [0.0];
                    stepper.step(&mut state, row, &mut y).unwrap();
                    assert_eq!(y[0], whole[t]);
                }
            });
        }
    });
}
