//! Bugs of other projects that this one must not have: each test names the report and would have caught it.

use bptt::{
    Activation, Architecture, Cell, Dataset, DynRnn, Float, Gradients, Level, Predictor, Rng, TrainConfig,
};

fn random<T: Float>(rng: &mut Rng, count: usize) -> Vec<T> {
    (0..count).map(|_| T::from_f64(2.0 * rng.uniform() - 1.0)).collect()
}

fn cells() -> [Architecture; 6] {
    let elman = Architecture::elman;
    let [tanh, relu, sigmoid] = [Activation::Tanh, Activation::Relu, Activation::Sigmoid].map(elman);
    [tanh, relu, sigmoid, Architecture::gru(), Architecture::gru_reset_before(), Architecture::lstm()]
}

/// Every cell in 1 and 2 layers and directions.
fn architectures() -> impl Iterator<Item = Architecture> {
    let shapes = [(1, false), (1, true), (2, false), (2, true)];
    cells().into_iter().flat_map(move |cell| {
        shapes.into_iter().map(move |(layers, both)| cell.num_layers(layers).bidirectional(both))
    })
}

/// Ragged sequences of 3 features and 2 labels.
fn data(rng: &mut Rng) -> Dataset<f64> {
    let mut data = Dataset::new(3, 2).unwrap();
    for steps in [4, 1, 6, 2, 3] {
        data.push(&random(rng, steps * 3), &random(rng, steps * 2)).unwrap();
    }
    data
}

/// The largest difference of the gradients of the parameters in `layer` from central differences of the loss, relative to
/// the largest gradient of the same parameter.
fn gradient_error(architecture: Architecture, hidden: usize, layer: &str, config: &TrainConfig) -> f64 {
    let mut rng = Rng::new(5);
    let data = data(&mut rng);
    let mut model = DynRnn::<f64>::with_architecture(3, hidden, 2, architecture, 8).unwrap();
    let gradients =
        |model: &DynRnn<f64>| Gradients::with_config(model, &data, config, None, Level::best()).unwrap().0;
    let exact = gradients(&model).params;
    let mut worst: f64 = 0.0;
    for (name, _) in exact.shapes().filter(|(name, _)| name.contains(layer)) {
        let (values, found) = (model.params().get(name).unwrap(), exact.get(name).unwrap());
        let scale = found.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        assert!(scale > 1e-6, "{architecture:?} {name}: no gradient");
        for (index, found) in found.into_iter().enumerate() {
            let mut loss = |shift: f64| {
                let mut shifted = values.clone();
                shifted[index] += shift;
                model.params_mut().set(name, &shifted).unwrap();
                gradients(&model).loss
            };
            let expected = (loss(1e-5) - loss(-1e-5)) / 2e-5;
            worst = worst.max((found - expected).abs() / scale);
        }
        model.params_mut().set(name, &values).unwrap();
    }
    worst
}

/// Rounding of the differences, where the gradients of the first layer are small. Measured: 2.0e-7.
const BOUND: f64 = 2e-6;

/// MXNet 17898: the weight gradients of a GRU's layers between the first and the last were wrong.
/// MXNet 17479: so were those of several layers where the inputs are not as many as the hidden units.
#[test]
fn middle_layers_and_inputs_unlike_hidden_units() {
    for cell in cells() {
        for both in [false, true] {
            for layer in ["_l0", "_l1", "_l2"] {
                let architecture = cell.num_layers(3).bidirectional(both);
                let error = gradient_error(architecture, 5, layer, &TrainConfig::default());
                println!("{} {both} {layer}: {error:.1e}", cell.cell);
                assert!(error < BOUND, "{architecture:?} {layer}: {error:e}");
            }
        }
    }
}

/// PyTorch 11662: on the CPU the gradient of `nn.RNN` with relu was that of tanh.
#[test]
fn the_gradient_of_relu() {
    for layers in [1, 2] {
        for both in [false, true] {
            let architecture = Architecture::elman(Activation::Relu).num_layers(layers).bidirectional(both);
            let error = gradient_error(architecture, 6, "", &TrainConfig::default());
            assert!(error < BOUND, "{architecture:?}: {error:e}");
        }
    }
    // Written out: h_1 = 3, h_2 = 2·3 + 0.5 = 6.5, y = h, and the label 0 at both; tanh's 1 − h² would be below 0.
    let mut model = DynRnn::<f64>::new(1, 1, 1, Activation::Relu, 0).unwrap();
    for (name, value) in [("weight_ih_l0", 1.0), ("weight_hh_l0", 2.0), ("fc.weight", 1.0)] {
        model.params_mut().set(name, &[value]).unwrap();
    }
    for name in ["bias_ih_l0", "bias_hh_l0", "fc.bias"] {
        model.params_mut().set(name, &[0.0]).unwrap();
    }
    let mut data = Dataset::new(1, 1).unwrap();
    data.push(&[3.0, 0.5], &[0.0, 0.0]).unwrap();
    for level in Level::available() {
        let gradients = Gradients::of(&model, &data, bptt::Reduction::Sum, level).unwrap();
        // ∂(h_1² + h_2²)/∂w_hh = 2·h_2·h_1
        assert_eq!(gradients.params.get("weight_hh_l0").unwrap(), [39.0]);
        // … /∂w_ih = 2·h_1·3 + 2·h_2·(0.5 + 2·3)
        assert_eq!(gradients.params.get("weight_ih_l0").unwrap(), [18.0 + 84.5]);
    }
}

/// PyTorch 190056: the backward pass of an LSTM left out the dropout between its layers.
#[test]
fn dropout_in_the_backward_pass() {
    for cell in cells() {
        for both in [false, true] {
            let architecture = cell.num_layers(3).bidirectional(both).dropout(0.4);
            let config = TrainConfig { dropout_seed: 3, ..Default::default() };
            for layer in ["_l0", "_l1"] {
                let error = gradient_error(architecture, 5, layer, &config);
                assert!(error < BOUND, "{architecture:?} {layer}: {error:e}");
            }
        }
    }
}

fn pieces_equal_the_whole<T: Float>(architecture: Architecture, level: Level) {
    let mut rng = Rng::new(2);
    let model = DynRnn::<T>::with_architecture(3, 9, 2, architecture, 4).unwrap();
    let mut predictor = Predictor::with_level(&model, level).unwrap();
    let (lengths, o) = ([11, 7, 11], 2);
    let sequences: Vec<Vec<T>> = lengths.iter().map(|steps| random(&mut rng, steps * 3)).collect();
    let offsets = [0, 11, 18, 29];
    let mut whole = vec![T::ZERO; 29 * o];
    let last = predictor.predict_from(None, &sequences.concat(), &offsets, &mut whole).unwrap();
    for cuts in [vec![1, 2, 4], vec![3, 3, 1], vec![6, 1], vec![1; 7]] {
        let (mut parts, mut state, mut from) = (vec![Vec::new(); 3], None, 0);
        // All three sequences as far as the second goes, then the rest of the other two would be another batch.
        for steps in cuts {
            let piece: Vec<T> =
                sequences.iter().flat_map(|x| x[from * 3..(from + steps) * 3].to_vec()).collect();
            let mut outputs = vec![T::ZERO; 3 * steps * o];
            let offsets = [0, steps, 2 * steps, 3 * steps];
            state = Some(predictor.predict_from(state.as_ref(), &piece, &offsets, &mut outputs).unwrap());
            // What comes between two calls leaves no trace.
            predictor.predict_into(&sequences[1], &mut [T::ZERO; 14]).unwrap();
            for (part, outputs) in parts.iter_mut().zip(outputs.chunks(steps * o)) {
                part.extend_from_slice(outputs);
            }
            from += steps;
        }
        let state = state.unwrap();
        for (part, start) in parts.iter().zip(offsets) {
            assert_eq!(part[..], whole[start * o..][..7 * o], "{architecture:?} {level} {}", T::DTYPE);
        }
        // The second sequence has ended.
        for part in 0..architecture.num_layers {
            let second = (part * 3 + 1) * 9..(part * 3 + 2) * 9;
            assert_eq!(state.h[second.clone()], last.h[second.clone()]);
            assert!(architecture.cell != Cell::Lstm || state.c[second.clone()] == last.c[second]);
        }
    }
}

/// CMSIS-NN 219: an LSTM that keeps its state between calls had it wiped by each call.
#[test]
fn a_sequence_in_pieces() {
    for architecture in architectures().filter(|architecture| !architecture.bidirectional) {
        for level in Level::available() {
            pieces_equal_the_whole::<f32>(architecture, level);
            pieces_equal_the_whole::<f64>(architecture, level);
        }
    }
}

fn alone_and_in_company<T: Float>(architecture: Architecture, hidden: usize, level: Level) {
    let mut rng = Rng::new(6);
    let model = DynRnn::<T>::with_architecture(3, hidden, 2, architecture, 1).unwrap();
    let sequences: Vec<Vec<T>> = (0..41).map(|s| random(&mut rng, (1 + s * 7 % 19) * 3)).collect();
    let alone: Vec<Vec<T>> = sequences
        .iter()
        .map(|x| {
            let mut outputs = vec![T::ZERO; x.len() / 3 * 2];
            Predictor::with_level(&model, level).unwrap().predict_into(x, &mut outputs).unwrap();
            outputs
        })
        .collect();
    let mut predictor = Predictor::with_level(&model, level).unwrap();
    // Companies of every size up to 9, then all, forwards and backwards.
    for size in (1..=9).chain([41]) {
        for backwards in [false, true] {
            let mut order: Vec<usize> = (0..sequences.len()).collect();
            if backwards {
                order.reverse();
            }
            for company in order.chunks(size) {
                let mut offsets = vec![0];
                company
                    .iter()
                    .for_each(|&s| offsets.push(offsets[offsets.len() - 1] + sequences[s].len() / 3));
                let features: Vec<T> = company.iter().flat_map(|&s| sequences[s].clone()).collect();
                let mut outputs = vec![T::ZERO; offsets[company.len()] * 2];
                predictor.predict_sequences_into(&features, &offsets, &mut outputs).unwrap();
                for (rows, &s) in offsets.windows(2).zip(company) {
                    let found = &outputs[rows[0] * 2..rows[1] * 2];
                    assert_eq!(found, alone[s], "{architecture:?} {hidden} {level} {} {size}", T::DTYPE);
                }
            }
        }
    }
}

/// SpeechBrain 501: the padding of a batch changed the results of its shorter sequences.
#[test]
fn the_company_of_other_sequences() {
    for architecture in architectures() {
        for hidden in [3, 8, 21] {
            for level in Level::available() {
                alone_and_in_company::<f32>(architecture, hidden, level);
                alone_and_in_company::<f64>(architecture, hidden, level);
            }
        }
    }
}

/// oneDNN 561: denormal numbers slowed an RNN down; flushing them to zero must not change what counts.
#[test]
fn denormal_numbers() {
    for architecture in architectures() {
        let mut model = DynRnn::<f32>::with_architecture(3, 9, 2, architecture, 1).unwrap();
        // Without biases relu stays among the denormals.
        let names: Vec<(String, usize)> =
            model.params().shapes().map(|(name, shape)| (name.into(), shape.iter().product())).collect();
        for (name, count) in names.iter().filter(|(name, _)| name.contains("bias")) {
            model.params_mut().set(name, &vec![0.0; *count]).unwrap();
        }
        let mut data = Dataset::new(3, 2).unwrap();
        for steps in [9, 2, 5] {
            let tiny: Vec<f32> = random::<f32>(&mut Rng::new(steps), steps as usize * 3);
            let tiny: Vec<f32> = tiny.iter().map(|x| x.signum() * 1e-40).collect();
            data.push(&tiny, &vec![0.5; steps as usize * 2]).unwrap();
        }
        let mut first: Option<(Vec<f32>, Vec<f32>)> = None;
        for level in Level::available() {
            let mut outputs = vec![0.0; data.labels().len()];
            let mut predictor = Predictor::with_level(&model, level).unwrap();
            predictor.predict_sequences_into(data.features(), data.offsets(), &mut outputs).unwrap();
            let config = TrainConfig::default();
            let gradients = Gradients::with_config(&model, &data, &config, None, level).unwrap().0;
            let gradients = gradients.params.flat().to_vec();
            assert!(outputs.iter().chain(&gradients).all(|x| x.is_finite()), "{architecture:?} {level}");
            let (outputs_before, gradients_before) =
                first.get_or_insert_with(|| (outputs.clone(), gradients.clone()));
            let pairs = outputs.iter().zip(outputs_before).chain(gradients.iter().zip(gradients_before));
            for (found, expected) in pairs {
                assert!((*found - *expected).abs() <= 1e-6, "{architecture:?} {level}: {found} {expected}");
            }
        }
    }
}

#[cfg(feature = "safetensors")]
mod files {
    use super::*;
    use bptt::file::{AnyModel, FileError, Metadata, ModelFile};
    use serde_json::Value;

    /// The bytes of a file without one of its tensors, the others moved together.
    fn without(bytes: &[u8], name: &str) -> Vec<u8> {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        let mut data = bytes[8 + length..].to_vec();
        let header = header.as_object_mut().unwrap();
        let offsets =
            |tensor: &Value| serde_json::from_value::<[usize; 2]>(tensor["data_offsets"].clone()).unwrap();
        let [start, end] = offsets(&header.remove(name).unwrap());
        data.drain(start..end);
        for (_, tensor) in header.iter_mut().filter(|(key, _)| *key != "__metadata__") {
            let [from, to] = offsets(tensor);
            if from >= end {
                tensor["data_offsets"] = [from - (end - start), to - (end - start)][..].into();
            }
        }
        let header = serde_json::to_vec(&header).unwrap();
        [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
    }

    /// RTNeural 148: of a model of several layers, the weights of some were not loaded, and nothing said so.
    #[test]
    fn every_layer_of_a_file_is_loaded_or_refused() {
        for cell in cells() {
            for both in [false, true] {
                let architecture = cell.num_layers(3).bidirectional(both);
                let model = DynRnn::<f32>::with_architecture(2, 4, 3, architecture, 9).unwrap();
                let file = ModelFile { model: model.clone().into(), metadata: Metadata::default() };
                let bytes = file.to_bytes().unwrap();
                let AnyModel::F32(loaded) = ModelFile::from_bytes(&bytes).unwrap().model else {
                    panic!("not f32")
                };
                assert_eq!(loaded.architecture(), architecture);
                for (name, shape) in model.params().shapes() {
                    let values = model.params().get(name).unwrap();
                    assert!(
                        shape.iter().product::<usize>() == values.len() && values.iter().all(|x| *x != 0.0)
                    );
                    assert_eq!(loaded.params().get(name).unwrap(), values, "{architecture:?} {name}");
                    let error = ModelFile::from_bytes(&without(&bytes, name)).unwrap_err();
                    assert_eq!(error, FileError::MissingTensor { name: name.into() });
                }
            }
        }
    }
}
