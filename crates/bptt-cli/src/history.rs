//! The file of `--history`: every epoch's losses, as CSV or as JSON lines.

use std::io::{self, Write};
use std::path::Path;

use bptt::EpochStats;
use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;

/// Writes epochs, each with the seconds since the training began.
pub fn write(output: &Output, path: Option<&Path>, epochs: &[(EpochStats, f64)]) -> Result<(), Failure> {
    let lines =
        path.and_then(Path::extension).is_some_and(|extension| extension == "jsonl" || extension == "ndjson");
    output.write(|out| if lines { json_lines(out, epochs) } else { csv(out, epochs) })
}

fn csv(out: &mut dyn Write, epochs: &[(EpochStats, f64)]) -> io::Result<()> {
    writeln!(out, "epoch,loss,validation_loss,learning_rate,best,seconds")?;
    for (stats, seconds) in epochs {
        let EpochStats { epoch, loss, learning_rate, best, .. } = stats;
        let validation = stats.validation_loss.map_or_else(String::new, |loss| loss.to_string());
        writeln!(out, "{epoch},{loss},{validation},{learning_rate},{},{seconds:.6}", u8::from(*best))?;
    }
    Ok(())
}

fn json_lines(out: &mut dyn Write, epochs: &[(EpochStats, f64)]) -> io::Result<()> {
    for (stats, seconds) in epochs {
        let line = json!({
            "epoch": stats.epoch,
            "loss": stats.loss,
            "validation_loss": stats.validation_loss,
            "learning_rate": stats.learning_rate,
            "best": stats.best,
            "seconds": seconds,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}
