//! Progress of a training on standard error: a bar on a terminal, plain lines when piped.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows epochs as they go by.
pub struct Progress {
    quiet: bool,
    bar: Option<ProgressBar>,
    epochs: usize,
    drawn: Instant,
    score: String,
}

/// How often the bar is drawn. Epochs may take a microsecond, so that even asking the clock is worth rationing.
const REDRAW: Duration = Duration::from_millis(50);

impl Progress {
    /// Progress over `epochs` epochs; `quiet`: none is shown.
    pub fn new(epochs: usize, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(epochs as u64), ProgressDrawTarget::stderr());
            let template = "epoch {pos}/{len} {wide_bar} {msg} · {eta} left";
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        Self { quiet, bar, epochs, drawn: Instant::now(), score: String::new() }
    }

    /// Whether anything is shown.
    pub fn is_shown(&self) -> bool {
        !self.quiet
    }

    /// An epoch has ended. `score` is there when the held-out part was measured.
    pub fn epoch(&mut self, epoch: usize, loss: f64, score: Option<String>) {
        let measured = score.is_some();
        if let Some(score) = score {
            self.score = format!("  {score}");
        }
        match &self.bar {
            Some(bar) if measured || self.drawn.elapsed() > REDRAW => {
                self.drawn = Instant::now();
                bar.set_message(format!("loss {loss:.6}{}", self.score));
                bar.set_position(epoch as u64);
            }
            None if measured && !self.quiet => {
                let width = self.epochs.to_string().len();
                // Progress is a courtesy: where standard error is closed, the training goes on.
                let _ = writeln!(
                    std::io::stderr(),
                    "epoch {epoch:>width$}/{}  loss {loss:.6}{}",
                    self.epochs,
                    self.score
                );
            }
            _ => {}
        }
    }

    /// Removes the bar.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
