//! State dicts of PyTorch: refused, or read, and read again.
#![no_main]

use bptt::Activation;
use bptt::file::{Metadata, ModelFile, from_state_dict};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| match from_state_dict(bytes, Activation::Relu) {
    Ok(model) => {
        let file = ModelFile { model, metadata: Metadata::default() };
        let again = file.to_bytes().expect("what was read can be written");
        assert!(from_state_dict(&again, Activation::Relu).as_ref() == Ok(&file.model));
    }
    Err(error) => assert!(!error.to_string().contains(char::is_control), "{error}"),
});
