//! The cases of `data/pytorch`, as `tools/make_pytorch_fixtures.py` writes and documents them.

// Each test file compiles this module for itself and uses its own part of it.
#![allow(dead_code)]

use std::collections::HashMap;
use std::str::FromStr;

use bptt::{Activation, Dataset, DynRnn, Float, Reduction, TrainConfig};

use crate::oracle::NAMES;

/// The head of a file and one of its cases, by field name.
pub struct Case<'a> {
    pub path: &'a str,
    fields: HashMap<&'a str, &'a str>,
}

impl<'a> Case<'a> {
    pub fn text(&self, key: &str) -> &'a str {
        self.fields.get(key).unwrap_or_else(|| panic!("{}: no field {key}", self.path))
    }

    pub fn values<T: FromStr>(&self, key: &str) -> Vec<T> {
        let parse = |text: &str| text.parse().unwrap_or_else(|_| panic!("{}: {key}: {text}", self.path));
        self.text(key).split(' ').map(parse).collect()
    }

    pub fn reduction(&self) -> Reduction {
        Reduction::from_name(self.text("reduction")).unwrap()
    }

    pub fn config(&self) -> TrainConfig {
        let (learning_rate, batch_size) = (self.values("learning_rate")[0], self.values("batch_size")[0]);
        TrainConfig { learning_rate, batch_size, reduction: self.reduction(), ..Default::default() }
    }

    pub fn model<T: Float + FromStr>(&self) -> DynRnn<T> {
        let sizes = self.values::<usize>("sizes");
        let activation = Activation::from_name(self.text("activation")).unwrap();
        let mut model = DynRnn::new(sizes[0], sizes[1], sizes[2], activation, 0).unwrap();
        for name in NAMES {
            model.params_mut().set(name, &self.values(&format!("init.{name}"))).unwrap();
        }
        model
    }

    pub fn data<T: Float + FromStr>(&self) -> Dataset<T> {
        let sizes = self.values::<usize>("sizes");
        let mut offsets = vec![0];
        for length in self.values::<usize>("lengths") {
            offsets.push(offsets[offsets.len() - 1] + length);
        }
        Dataset::from_flat(sizes[0], sizes[2], self.values("features"), self.values("labels"), offsets)
            .unwrap()
    }
}

/// Calls `check` with every case of one element type.
pub fn each<T: Float>(mut check: impl FnMut(&Case)) {
    let mut checked = 0;
    for sizes in ["1-1-1", "3-5-1", "29-10-1", "7-33-4"] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pytorch");
        let path = format!("{folder}/{sizes}_{}.txt", T::DTYPE);
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace('\r', ""); // Git may have checked the file out with CRLF.
        let (head, cases) = text.split_once("\nactivation: ").unwrap();
        for case in cases.split("\nactivation: ") {
            let (activation, rest) = case.split_once('\n').unwrap();
            let lines = head.lines().filter(|line| !line.starts_with('#')).chain(rest.lines());
            let mut fields: HashMap<_, _> = lines.map(|line| line.split_once(": ").unwrap()).collect();
            fields.insert("activation", activation);
            let case = Case { path: &path, fields };
            assert_eq!(case.text("dtype"), T::DTYPE);
            check(&case);
            checked += 1;
        }
    }
    // 4 shapes, 3 activations, 2 reductions.
    assert_eq!(checked, 24);
}
