//! Ctrl-C: the first one (or SIGTERM) asks trainings to end after their epoch, the second ends the program.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);
static LISTENING: Once = Once::new();

/// From now on, Ctrl-C is noticed.
pub fn listen() {
    LISTENING.call_once(|| {
        // Where no handler can be set, Ctrl-C simply ends the program.
        let _ = ctrlc::set_handler(|| {
            if REQUESTED.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        });
    });
}

/// Whether it has been pressed.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
