//! How many threads this process may have: its physical share of the machine.

use std::sync::OnceLock;
use std::thread::available_parallelism;

/// The least of: the processors that the process may run on and the quota of its control group (both as
/// [`available_parallelism`] knows them), the cores behind those processors, and `OMP_NUM_THREADS`. At least 1.
///
/// Two hardware threads of one core share its multipliers, which one of them can keep busy. Looked up once.
pub(crate) fn available() -> usize {
    static AVAILABLE: OnceLock<usize> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        let processors = available_parallelism().map_or(1, usize::from);
        let wanted = std::env::var("OMP_NUM_THREADS").ok().and_then(|text| first_number(&text));
        processors.min(cores().unwrap_or(usize::MAX)).min(wanted.unwrap_or(usize::MAX)).max(1)
    })
}

/// The first number of a list, if it is one and not 0: OpenMP's list has one number for each level of nesting.
fn first_number(list: &str) -> Option<usize> {
    list.split(',').next()?.trim().parse().ok().filter(|number| *number > 0)
}

/// Cores behind the processors that this process may run on, as Linux tells them; `None` where it does not.
fn cores() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut cores = Vec::new();
    for processor in numbers(allowed) {
        let path = format!("/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list");
        // A processor that is allowed but not there has no siblings.
        if let Ok(siblings) = std::fs::read_to_string(path)
            && !cores.contains(&siblings)
        {
            cores.push(siblings);
        }
    }
    Some(cores.len()).filter(|cores| *cores > 0)
}

/// The numbers of a list like `0-3,8`; what is none is left out.
fn numbers(list: &str) -> impl Iterator<Item = usize> {
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        // No machine has more, and a list that says so is not worth the time.
        Some(first..=last.min(first.saturating_add(1 << 16)))
    };
    list.trim().split(',').filter_map(range).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        assert_eq!(numbers("\t0-3,8\n").collect::<Vec<_>>(), [0, 1, 2, 3, 8]);
        assert_eq!(numbers("5").collect::<Vec<_>>(), [5]);
        assert_eq!(numbers("x,2-,7").collect::<Vec<_>>(), [7]);
        assert_eq!(
            ["4", " 2,1", "0", "-1", "all", ""].map(first_number),
            [Some(4), Some(2), None, None, None, None]
        );
    }

    #[test]
    fn there_is_one_at_least_and_no_more_than_processors() {
        let processors = available_parallelism().map_or(1, usize::from);
        assert!((1..=processors).contains(&available()));
    }
}
