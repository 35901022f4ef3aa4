//! A program for a device without operating system: a network in each cell, with weights as constants and states on the
//! stack.

#![no_std]

use bptt::device::Network;
use bptt::{Activation, Cell, Float};

/// Enough for the largest of the networks below: LSTM, 2 layers.
const LARGEST: usize = 4 * 4 * (3 + 4 + 2) + 4 * 4 * (4 + 4 + 2) + 2 * (4 + 1);

/// Weights that are made up: multiples of 1/8 from −1 to 1.
const fn weights() -> [i8; LARGEST] {
    let (mut weights, mut at) = ([0; LARGEST], 0);
    while at < LARGEST {
        weights[at] = ((at * 7) % 17) as i8 - 8;
        at += 1;
    }
    weights
}

static WEIGHTS: [i8; LARGEST] = weights();

/// The sum of the outputs of 20 timesteps.
fn run<T: Float>(cell: Cell, layers: usize) -> T {
    let mut weights = [T::ZERO; LARGEST];
    for (weight, eighths) in weights.iter_mut().zip(WEIGHTS) {
        *weight = T::from_f64(f64::from(eighths) / 8.0);
    }
    let len = Network::<T>::weights_len(cell, 3, 4, 2, layers);
    let (mut state, mut total) = ([T::ZERO; 20], T::ZERO);
    if let Ok(network) = Network::new(cell, 3, 4, 2, layers, &weights[..len]) {
        let state = &mut state[..network.state_len()];
        for t in 0..20 {
            let (x, mut y) = (T::from_f64(f64::from(t % 5) / 4.0), [T::ZERO; 2]);
            if network.step(state, &[x, T::ONE - x, -x], &mut y).is_ok() {
                total += y[0] + y[1];
            }
        }
    }
    total
}

/// The sum over all cells, with one and two layers, in both types.
#[unsafe(no_mangle)]
pub extern "C" fn no_std_check() -> f64 {
    let mut total = 0.0;
    let elman = Activation::ALL.map(Cell::Elman);
    for cell in elman.into_iter().chain([Cell::Gru, Cell::Lstm, Cell::GruResetBefore]) {
        for layers in 1..3 {
            total += run::<f64>(cell, layers) + f64::from(run::<f32>(cell, layers));
        }
    }
    total
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
