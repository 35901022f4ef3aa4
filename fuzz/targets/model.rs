//! Model files: refused, or read and written again as the same model.
#![no_main]

use bptt::file::ModelFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for bytes in [bytes.to_vec(), bptt_fuzz::signed(bytes)] {
        match ModelFile::from_bytes(&bytes) {
            Ok(file) => {
                let again = file.to_bytes().expect("what was read can be written");
                assert!(ModelFile::from_bytes(&again).as_ref() == Ok(&file));
            }
            Err(error) => assert!(!error.to_string().contains(char::is_control)),
        }
    }
});
