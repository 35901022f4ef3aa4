//! The elementary functions against libm and against fixtures of many digits, at every level.

use super::super::level::{Isa, Kernel, Level};
use super::*;

const NAMES: [&str; 3] = ["exp", "tanh", "sigmoid"];

/// Inputs at a time; a multiple of every vector's lanes.
const BLOCK: usize = 4096;

/// Applies all three functions to a block on one level.
struct Apply<'a, T>(&'a [T], &'a mut [Vec<T>; 3]);
impl<T: Float> Kernel for Apply<'_, T> {
    type Element = T;
    type Output = ();
    #[inline(always)]
    fn run<S: Isa>(self) {
        let [exps, tanhs, sigmoids] = self.1;
        let mut at = 0;
        while at < self.0.len() {
            let x = T::Vector::<S>::load(self.0, at);
            exp(x).store(exps, at);
            tanh(x).store(tanhs, at);
            sigmoid(x).store(sigmoids, at);
            at += T::Vector::<S>::LANES;
        }
    }
}

/// All three functions of `xs`, however many.
fn apply<T: Float>(level: Level, xs: &[T]) -> [Vec<T>; 3] {
    let mut padded = xs.to_vec();
    padded.resize(xs.len().next_multiple_of(16), T::ZERO);
    let mut results = [(); 3].map(|()| padded.clone());
    level.enter(Apply(&padded, &mut results));
    results
}

/// The exact results, as far as libm is exact.
fn libm(x: f64) -> [f64; 3] {
    let e = (-x.abs()).exp();
    [x.exp(), x.tanh(), if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }]
}

fn ulps_f32(found: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if found == nearest {
        // Rounded rightly, so half an ulp at most; the test's bound is above that.
        return 0.0;
    }
    if found.is_nan() || nearest.is_nan() {
        return if found.is_nan() == nearest.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if nearest.is_infinite() || found.is_infinite() {
        return f64::INFINITY;
    }
    let ulp = f64::from(nearest.abs().next_up()) - f64::from(nearest.abs());
    (f64::from(found) - exact).abs() / ulp
}

/// The largest error in ulp and where it is: for each level, for each function.
type Worst = Vec<[(f64, f32); 3]>;

/// Every `step`-th f32 bit pattern from `first` on: all signs, exponents, infinities and NaN.
fn worst_f32(levels: &[Level], first: u32, step: usize) -> Worst {
    let mut worst = vec![[(0.0, 0.0); 3]; levels.len()];
    let mut results = [(); 3].map(|()| vec![0.0f32; BLOCK]);
    let mut patterns = (first..=u32::MAX).step_by(step);
    loop {
        let mut xs: Vec<f32> = patterns.by_ref().take(BLOCK).map(f32::from_bits).collect();
        if xs.is_empty() {
            return worst;
        }
        xs.resize(BLOCK, 0.0);
        let exact: Vec<[f64; 3]> = xs.iter().map(|x| libm(f64::from(*x))).collect();
        for (level, worst) in levels.iter().zip(&mut worst) {
            level.enter(Apply(&xs, &mut results));
            for (f, worst) in worst.iter_mut().enumerate() {
                for i in 0..BLOCK {
                    let ulps = ulps_f32(results[f][i], exact[i][f]);
                    if ulps > worst.0 {
                        *worst = (ulps, xs[i]);
                    }
                }
            }
        }
    }
}

fn assert_within_two_ulps(levels: &[Level], worst: &Worst) {
    for (level, worst) in levels.iter().zip(worst) {
        for (name, (ulps, x)) in NAMES.iter().zip(worst) {
            println!("{level} {name}: {ulps:.3} ulp at {x:e}");
        }
    }
    assert!(worst.iter().flatten().all(|(ulps, _)| *ulps <= 2.0));
}

#[test]
fn f32_is_within_two_ulps_on_a_sample() {
    let levels = Level::available();
    assert_within_two_ulps(&levels, &worst_f32(&levels, 0, 997));
}

/// All 2³² patterns: `cargo test --release -p bptt --lib every_f32 -- --ignored --nocapture`; five minutes on two
/// cores.
#[test]
#[ignore = "takes minutes"]
fn every_f32_is_within_two_ulps() {
    let levels = Level::available();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let parts: Vec<Worst> = std::thread::scope(|scope| {
        let run = |first| {
            scope.spawn({
                let levels = &levels;
                move || worst_f32(levels, first as u32, threads)
            })
        };
        let handles: Vec<_> = (0..threads).map(run).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    let mut worst = parts[0].clone();
    for (worst, part) in
        worst.iter_mut().flatten().zip(parts[1..].iter().flat_map(|part| part.iter().flatten()).cycle())
    {
        if part.0 > worst.0 {
            *worst = *part;
        }
    }
    assert_within_two_ulps(&levels, &worst);
}

/// The spacing of doubles at `x`.
fn spacing(x: f64) -> f64 {
    x.abs().next_up() - x.abs()
}

#[test]
fn f64_is_within_two_ulps() {
    let mut xs = Vec::new();
    let mut exact: Vec<[(f64, f64); 3]> = Vec::new();
    for line in include_str!("../../../tests/data/elementary.txt").lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let number = |i: usize| f64::from_bits(u64::from_str_radix(fields[i], 16).unwrap());
        xs.push(number(0));
        exact.push([1, 3, 5].map(|i| (number(i), fields[i + 1].parse().unwrap())));
    }
    for level in Level::available() {
        for (f, found) in apply(level, &xs).iter().enumerate() {
            let mut worst = (0.0, 0.0);
            for ((x, found), exact) in xs.iter().zip(found).zip(&exact) {
                let (nearest, rest) = exact[f];
                // The difference of two neighbours is exact.
                let ulps = if *found == nearest && rest == 0.0 {
                    0.0
                } else {
                    ((found - nearest) / spacing(nearest) - rest).abs()
                };
                assert!(ulps <= 2.0, "{level} {}({x:e}) = {found:e}, not {nearest:e}: {ulps} ulp", NAMES[f]);
                if ulps > worst.0 {
                    worst = (ulps, *x);
                }
            }
            println!("{level} {}: {:.3} ulp at {:e}", NAMES[f], worst.0, worst.1);
        }
    }
}

#[test]
fn f64_agrees_with_libm() {
    // libm's own error is up to 1 ulp, so that this bound is one above ours.
    let xs: Vec<f64> = (-800_000..800_000)
        .map(|i| f64::from(i) * 1e-3)
        .chain((-200_000..200_000).map(|i| f64::from(i) * 1.01e-4))
        .chain((-1080..12).flat_map(|e| [2f64.powi(e) * 1.1, -(2f64.powi(e)) * 1.7]))
        .collect();
    let exact: Vec<[f64; 3]> = xs.iter().map(|x| libm(*x)).collect();
    for level in Level::available() {
        for (f, found) in apply(level, &xs).iter().enumerate() {
            for ((x, found), exact) in xs.iter().zip(found).zip(&exact) {
                let exact = exact[f];
                let error = (found - exact).abs() / spacing(exact);
                assert!(
                    *found == exact || error <= 3.0,
                    "{level} {}({x}) = {found}, not {exact}: {error}",
                    NAMES[f]
                );
            }
        }
    }
}

/// What must hold exactly, whatever the type.
fn special_values<T: Float>(tiny: &[f64], large: f64) {
    let number = T::from_f64;
    let inf = number(f64::INFINITY);
    for level in Level::available() {
        let xs =
            [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -f64::NAN, large, -large].map(number);
        let [e, t, s] = apply(level, &xs);
        assert_eq!(e[..4], [1.0, 1.0, f64::INFINITY, 0.0].map(number));
        assert_eq!(t[..4], [0.0, -0.0, 1.0, -1.0].map(number));
        assert_eq!(s[..4], [0.5, 0.5, 1.0, 0.0].map(number));
        // Padding lanes hold 0 and must go on holding it.
        assert_eq!([t[0], t[1]].map(|x| (T::ONE.copysign(x)).to_f64()), [1.0, -1.0]);
        for lane in [4, 5] {
            assert!([e[lane], t[lane], s[lane]].iter().all(|x| x.to_f64().is_nan()));
        }
        assert_eq!([e[6], t[6], s[6]], [inf, T::ONE, T::ONE]);
        assert_eq!([e[7], t[7], s[7]], [T::ZERO, -T::ONE, T::ZERO]);
        let tiny: Vec<T> = tiny.iter().flat_map(|x| [number(*x), number(-x)]).collect();
        assert_eq!(apply(level, &tiny)[1][..tiny.len()], tiny[..], "{level}: tanh x = x");
        // Never beyond ±1, at each level's own rounding.
        let around: Vec<T> = (0..200_000).map(|i| number(f64::from(i) * 2e-4)).collect();
        assert!(apply(level, &around)[1].iter().all(|t| *t <= T::ONE));
    }
}

#[test]
fn special_values_f32() {
    special_values::<f32>(&[1e-45, 3e-45, 1e-40, 1.1e-38, 1.2e-38, 1e-30, 1e-10, 1e-6], 3.4e38);
}

#[test]
fn special_values_f64() {
    special_values::<f64>(&[5e-324, 1e-323, 1e-310, 2.2e-308, 2.3e-308, 1e-200, 1e-20, 1e-10], 1.7e308);
}
