//! The tensors of a checkpoint: groups of parameters under a prefix, the order of the sequences, the history.

use super::History;
use crate::EpochStats;
use crate::file::FileError;
use crate::file::tensor::{Element, Tensor};
use crate::params::Params;

/// Prefixes of the groups beside the parameters themselves.
pub const BEST: &str = "best.";
pub const GRADIENT: &str = "gradient.";
/// The optimizer's buffers.
pub const BUFFERS: [&str; 3] = ["first", "second", "third"];

pub const ORDER: &str = "order";
pub const ORDER_TAG: &str = "I64";
pub const HISTORY: &str = "history";
pub const HISTORY_TAG: &str = "F64";
/// Numbers per epoch of the history.
pub const COLUMNS: usize = 9;

/// The prefix of an optimizer's buffer.
pub fn buffer(name: &str) -> String {
    format!("optimizer.{name}.")
}

/// Appends `params` as tensors whose names begin with `prefix`.
pub fn append<T: Element>(
    tensors: &mut Vec<Tensor<'static>>,
    prefix: &str,
    params: &Params<T>,
) -> Result<(), FileError> {
    for (name, shape) in params.shapes() {
        let values = params.get(name)?;
        let mut data = Vec::with_capacity(values.len() * T::SIZE);
        values.into_iter().for_each(|value| value.append(&mut data));
        let name = format!("{prefix}{name}");
        tensors.push(Tensor { name, tag: T::TAG, shape: shape.to_vec(), data: data.into() });
    }
    Ok(())
}

/// Sets `params` from the tensors whose names begin with `prefix`; they are all there, of the right shapes.
pub fn set<T: Element>(
    params: &mut Params<T>,
    prefix: &str,
    tensors: &[Tensor<'_>],
) -> Result<(), FileError> {
    let names: Vec<String> = params.shapes().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        let full = format!("{prefix}{name}");
        let Some(tensor) = tensors.iter().find(|tensor| tensor.name == full) else {
            return Err(FileError::MissingTensor { name: full });
        };
        let values: Vec<T> = tensor.data.chunks_exact(T::SIZE).map(T::parse).collect();
        params.set(&name, &values)?;
    }
    Ok(())
}

pub fn order(order: &[usize]) -> Tensor<'static> {
    let data: Vec<u8> = order.iter().flat_map(|&sequence| (sequence as u64).to_le_bytes()).collect();
    Tensor { name: ORDER.into(), tag: ORDER_TAG, shape: vec![order.len()], data: data.into() }
}

/// The order of the sequences; `None` where it is no permutation.
pub fn parse_order(tensor: &Tensor<'_>) -> Option<Vec<usize>> {
    let words =
        tensor.data.chunks_exact(8).map(|bytes| bytes.try_into().map_or(u64::MAX, u64::from_le_bytes));
    let order: Vec<usize> = words.map(|word| usize::try_from(word).unwrap_or(usize::MAX)).collect();
    let mut seen = vec![false; order.len()];
    for &sequence in &order {
        match seen.get_mut(sequence) {
            Some(seen) if !*seen => *seen = true,
            _ => return None,
        }
    }
    Some(order)
}

pub fn history(history: &[(EpochStats, f64)]) -> Tensor<'static> {
    let mut data = Vec::with_capacity(history.len() * COLUMNS * 8);
    for (stats, seconds) in history {
        let EpochStats { epoch, loss, batches, timesteps, learning_rate, validation_loss, best } = *stats;
        let numbers: [f64; COLUMNS] = [
            epoch as f64,
            loss,
            batches as f64,
            timesteps as f64,
            learning_rate,
            validation_loss.unwrap_or(0.0),
            f64::from(u8::from(validation_loss.is_some())),
            f64::from(u8::from(best)),
            *seconds,
        ];
        numbers.into_iter().for_each(|number| number.append(&mut data));
    }
    let shape = vec![history.len(), COLUMNS];
    Tensor { name: HISTORY.into(), tag: HISTORY_TAG, shape, data: data.into() }
}

pub fn parse_history(tensor: &Tensor<'_>) -> History {
    let numbers: Vec<f64> = tensor.data.chunks_exact(8).map(f64::parse).collect();
    let row = |row: &[f64; COLUMNS]| {
        let [epoch, loss, batches, timesteps, learning_rate, validation, validated, best, seconds] = *row;
        // A conversion from a number saturates.
        let stats = EpochStats {
            epoch: epoch as usize,
            loss,
            batches: batches as usize,
            timesteps: timesteps as usize,
            learning_rate,
            validation_loss: (validated != 0.0).then_some(validation),
            best: best != 0.0,
        };
        (stats, seconds)
    };
    numbers.as_chunks::<COLUMNS>().0.iter().map(row).collect()
}
