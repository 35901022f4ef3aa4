//! Networks on small devices: what they compute, and what they refuse.

use bptt::device::{Misfit, Network};
use bptt::{Activation, Architecture, Cell, DynRnn, Float};

fn compare<T: Float>(cell: Cell, layers: usize, bound: f64) {
    let (i, h, o) = (3, 6, 2);
    let architecture = Architecture::new(cell).num_layers(layers);
    let model = DynRnn::<T>::with_architecture(i, h, o, architecture, 5).unwrap();
    let names: Vec<String> = model.params().shapes().map(|(name, _)| name.to_owned()).collect();
    let weights: Vec<T> = names.iter().flat_map(|name| model.params().get(name).unwrap()).collect();
    let network = Network::new(cell, i, h, o, layers, &weights).unwrap();
    let x: Vec<T> = (0..20 * i).map(|k| T::from_f64((k as f64).sin())).collect();
    let whole = model.predict(&x).unwrap();
    let mut state = vec![T::ZERO; network.state_len()];
    for (x, expected) in x.chunks(i).zip(whole.chunks(o)) {
        let mut y = [T::ZERO; 2];
        network.step(&mut state, x, &mut y).unwrap();
        for (found, expected) in y.iter().zip(expected) {
            assert!((found.to_f64() - expected.to_f64()).abs() < bound, "{cell:?}: {found}, not {expected}");
        }
    }
}

#[test]
fn it_computes_what_the_rest_of_the_library_does() {
    let elman = Activation::ALL.map(Cell::Elman);
    for cell in elman.into_iter().chain([Cell::Gru, Cell::Lstm, Cell::GruResetBefore]) {
        for layers in 1..4 {
            compare::<f32>(cell, layers, 1e-6);
            compare::<f64>(cell, layers, 1e-14);
        }
    }
}

#[test]
fn what_does_not_fit_is_said() {
    let weights = [0.0_f32; 100];
    let new =
        |inputs, layers, count: usize| Network::new(Cell::Lstm, inputs, 2, 1, layers, &weights[..count]);
    let misfit = |what, expected, found| Some(Misfit { what, expected, found });
    assert_eq!(new(0, 1, 40).err(), misfit("inputs", 1, 0));
    assert_eq!(new(1, 0, 40).err(), misfit("layers", 1, 0));
    assert_eq!(new(1, 1, 40).err(), misfit("weights", 43, 40));
    let network = new(1, 1, 43).unwrap();
    let mut state = [0.0; 6];
    assert_eq!(network.state_len(), 6);
    assert_eq!(network.step(&mut state[..5], &[0.0], &mut [0.0]).err(), misfit("state", 6, 5));
    assert_eq!(network.step(&mut state, &[], &mut [0.0]).err(), misfit("features", 1, 0));
    assert_eq!(network.step(&mut state, &[0.0], &mut []).err(), misfit("outputs", 1, 0));
    assert_eq!(
        Network::<f32>::weights_len(Cell::Gru, usize::MAX, 2, 1, 2),
        usize::MAX,
        "sizes that overflow saturate"
    );
}
