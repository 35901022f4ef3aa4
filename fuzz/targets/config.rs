//! Settings: the TOML of a configuration file, and the JSON of a checkpoint's flags.
#![no_main]

use bptt_fuzz::config::{from_note, note, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match parse("a.toml", text) {
        Ok(flags) => {
            // What a checkpoint notes comes back.
            let noted = note(&flags).expect("texts and numbers");
            let back = from_note(&noted).expect("what was noted is read");
            assert_eq!(note(&back).ok(), Some(noted));
        }
        Err(failure) => assert!(failure.to_string().starts_with("a.toml")),
    }
    let _ = from_note(text);
});
