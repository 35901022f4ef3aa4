//! Panels against plain loops, at every level, around every edge of tiles and blocks.
//!
//! The numbers are small integers: all sums are exact, in whatever order, and equal to the last bit. Where the order
//! itself is tested, they are not.

use super::outer::{CHUNK, DEPTH};
use super::*;
use crate::Rng;

/// Small integers.
fn integers<T: Float>(count: usize, seed: u64) -> Vec<T> {
    let mut rng = Rng::new(seed);
    (0..count).map(|_| T::from_f64((rng.uniform() * 7.0).floor() - 3.0)).collect()
}

/// A product of sizes (rows, k, columns) with rows picked backwards, each start, checked with what lies around it.
fn check_product<T: Float>(level: Level, (rows, k, columns): (usize, usize, usize)) {
    let case = format!("{level} {} {rows} {k} {columns}", T::DTYPE);
    let (a_stride, stride) = (k + 3, columns + T::LINE);
    let a = integers::<T>(rows * a_stride, 1);
    let w = integers::<T>(k * columns, 2);
    let starts = integers::<T>((rows + 1) * columns, 3);
    // The last row ends with its columns.
    let before = integers::<T>(rows * stride - T::LINE, 4);
    let mut panels = vec![T::ZERO; k * columns];
    pack(Matrix::new(&w, columns), (k, columns), (1, 0), &mut panels);
    let picked: Vec<usize> = (0..rows).rev().collect();
    for (distance, in_place) in [(0, false), (columns, false), (0, true)] {
        let mut out = before.clone();
        let start = Start::Rows(Picked::some(&starts, distance, &picked));
        level.run(PanelProduct {
            a: Picked::some(&a, a_stride, &picked),
            rows,
            k,
            panels: &panels,
            columns,
            start: if in_place { Start::Result } else { start },
            out: &mut out,
            stride,
            out_rows: Some(&picked),
            then: &[],
        });
        for row in 0..rows {
            for n in 0..stride.min(before.len() - row * stride) {
                let at = row * stride + n;
                let mut expected = before[at];
                if n < columns {
                    expected = if in_place { expected } else { starts[row * distance + n] };
                    for i in 0..k {
                        expected += a[row * a_stride + i] * w[i * columns + n];
                    }
                }
                assert_eq!(out[at], expected, "{case}: row {row}, column {n}, {distance} {in_place}");
            }
        }
    }
}

/// A sum of outer products of sizes (rows, k, columns).
fn check_outer<T: Float>(level: Level, (rows, k, columns): (usize, usize, usize)) {
    let case = format!("{level} {} {rows} {k} {columns}", T::DTYPE);
    let (a_stride, d_stride, stride) = (k + 1, columns + 5, columns + T::LINE);
    let (a, d) = (integers::<T>(rows * a_stride, 1), integers::<T>(rows * d_stride, 2));
    let before = integers::<T>(k * stride - T::LINE, 3);
    let picked: Vec<usize> = (0..rows).rev().collect();
    let (mut w, mut room) = (before.clone(), integers::<T>(outer_elements::<T>(rows, k), 4));
    level.run(PanelOuter {
        a: Picked::some(&a, a_stride, &picked),
        d: Picked::some(&d, d_stride, &picked),
        rows,
        k,
        columns,
        w: &mut w,
        stride,
        room: &mut room,
    });
    let mut expected = before;
    for row in 0..rows {
        for i in 0..k {
            for n in 0..columns {
                expected[i * stride + n] += a[row * a_stride + i] * d[row * d_stride + n];
            }
        }
    }
    assert!(w == expected, "{case}");
}

fn check_all<T: Float>() {
    let line = T::LINE;
    let block = |k: usize| (BLOCK / k).next_multiple_of(8);
    for level in Level::available() {
        for rows in (1..=9).chain([15, 16, 17]) {
            for k in [0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17] {
                for lines in [1, 2, 3, 4] {
                    check_product::<T>(level, (rows, k, lines * line));
                    check_outer::<T>(level, (rows, k.max(1), lines * line));
                }
            }
        }
        // Around a block of rows that stay in the cache.
        for rows in [block(2048) - 1, block(2048), block(2048) + 1, 2 * block(2048) + 9] {
            check_product::<T>(level, (rows, 2048, 2 * line));
        }
        for rows in [DEPTH - 1, DEPTH, DEPTH + 1, 2 * DEPTH + 3] {
            check_outer::<T>(level, (rows, 9, 3 * line));
        }
        for lines in [2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1, 4 * CHUNK + 1] {
            check_outer::<T>(level, (5, 17, lines * line));
        }
    }
}

#[test]
fn f32_equals_plain_loops() {
    check_all::<f32>();
}

#[test]
fn f64_equals_plain_loops() {
    check_all::<f64>();
}

/// Whatever rows are beside it.
fn check_alone<T: Float>() {
    let (rows, k, columns) = (23, 131, 3 * T::LINE);
    let mut rng = Rng::new(1);
    let mut draw = |count| (0..count).map(|_| T::from_f64(rng.uniform() - 0.5)).collect::<Vec<T>>();
    let (a, panels) = (draw(rows * k), draw(k * columns));
    for level in Level::available() {
        let run = |first: usize, rows: usize| {
            let mut out = vec![T::ZERO; rows * columns];
            level.run(PanelProduct {
                a: Picked::all(&a[first * k..], k),
                rows,
                k,
                panels: &panels,
                columns,
                start: Start::Result,
                out: &mut out,
                stride: columns,
                out_rows: None,
                then: &[],
            });
            out
        };
        let together = run(0, rows);
        for count in 1..=8 {
            for first in 0..=rows - count {
                let found = run(first, count);
                assert!(found == together[first * columns..][..count * columns], "{level} {first} {count}");
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    check_alone::<f32>();
    check_alone::<f64>();
}

#[test]
fn transposed_panels_are_the_panels_of_the_transpose() {
    for (n, k) in [(1, 1), (5, 17), (8, 16), (16, 33), (31, 4), (32, 40), (33, 15), (48, 48), (65, 70)] {
        let columns = f32::LINE * usize::div_ceil(n, f32::LINE);
        let stride = k + 2;
        let w = integers::<f32>(n * stride, 5);
        let mut transpose = vec![0.0; k * columns];
        for row in 0..n {
            for column in 0..k {
                transpose[column * columns + row] = w[row * stride + column];
            }
        }
        let (mut expected, mut found) = (vec![9.0; k * columns], vec![9.0; k * columns]);
        pack(Matrix::new(&transpose, columns), (k, columns), (1, 0), &mut expected);
        for level in Level::available() {
            found.fill(9.0);
            pack_transposed(level, Matrix::new(&w, stride), (n, k), (1, 0), &mut found);
            assert_eq!(found, expected, "{level} {n} {k}");
        }
    }
}

#[test]
fn panels_of_several_matrices_lie_in_turn() {
    let level = *Level::available().last().expect("there is a level");
    for (k, lines) in [(3, 1), (4, 2), (5, 3), (17, 5)] {
        let columns = lines * f32::LINE;
        let matrices: Vec<Vec<f32>> = (0..3).map(|seed| integers(k * columns, seed)).collect();
        let (mut all, mut turned) = (vec![9.0; 3 * k * columns], vec![9.0; 3 * k * columns]);
        let mut alone = vec![vec![9.0; k * columns]; 3];
        for (number, matrix) in matrices.iter().enumerate() {
            let transpose: Vec<f32> = (0..columns * k).map(|at| matrix[at % k * columns + at / k]).collect();
            pack(Matrix::new(matrix, columns), (k, columns), (3, number), &mut all);
            pack(Matrix::new(matrix, columns), (k, columns), (1, 0), &mut alone[number]);
            pack_transposed(level, Matrix::new(&transpose, k), (columns, k), (3, number), &mut turned);
        }
        assert_eq!(turned, all);
        for n in (0..columns).step_by(panel::<f32>()) {
            let len = k * panel::<f32>().min(columns - n);
            for (number, alone) in alone.iter().enumerate() {
                let at = 3 * n * k + number * len;
                assert_eq!(all[at..at + len], alone[n * k..n * k + len], "{k} {lines} {n} {number}");
            }
        }
    }
}
