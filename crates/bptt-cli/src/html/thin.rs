//! Fewer points that draw the same picture.

/// At most about four points for each of `columns` slices of the horizontal range: the first, the
/// lowest, the highest and the last, so that no peak is lost. The points lie in the order of drawing; a
/// value that is no number marks a gap, which is kept where nothing else lies in its slice.
pub fn by_column(points: &[(f64, f64)], columns: usize) -> Vec<(f64, f64)> {
    if points.len() <= 4 * columns {
        return points.to_vec();
    }
    let finite = points.iter().map(|point| point.0).filter(|x| x.is_finite());
    let (low, high) =
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    let width = ((high - low) / columns as f64).max(f64::MIN_POSITIVE);
    // As integers, so that neighbours compare without regard to rounding; the cast saturates.
    let column = |point: &(f64, f64)| ((point.0 - low) / width) as i64;
    let mut kept = Vec::with_capacity(4 * columns);
    for slice in points.chunk_by(|left, right| column(left) == column(right)) {
        let mut seen = slice.iter().enumerate().filter(|(_, point)| point.1.is_finite());
        let lowest = seen.clone().min_by(|left, right| left.1.1.total_cmp(&right.1.1));
        let highest = seen.clone().max_by(|left, right| left.1.1.total_cmp(&right.1.1));
        let (first, last) = (seen.clone().next(), seen.next_back());
        let mut indices: Vec<_> =
            [first, lowest, highest, last].into_iter().flatten().map(|seen| seen.0).collect();
        indices.sort_unstable();
        indices.dedup();
        if indices.is_empty() {
            indices.push(0);
        }
        kept.extend(indices.into_iter().map(|index| slice[index]));
    }
    kept
}

/// At most `most` items, evenly spread over the whole.
pub fn evenly<T: Copy>(items: &[T], most: usize) -> Vec<T> {
    if items.len() <= most {
        return items.to_vec();
    }
    (0..most).map(|index| items[(index as u128 * items.len() as u128 / most as u128) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_survives() {
        let mut points: Vec<_> = (0..100_000).map(|step| (step as f64, (step % 7) as f64)).collect();
        points[54_321].1 = 1e6;
        points[12_345].1 = -1e6;
        let thinned = by_column(&points, 500);
        assert!((500..=2004).contains(&thinned.len()), "{}", thinned.len());
        assert!(thinned.contains(&points[54_321]) && thinned.contains(&points[12_345]));
        assert_eq!((thinned[0], thinned[thinned.len() - 1]), (points[0], points[99_999]));
        assert!(thinned.is_sorted_by(|left, right| left.0 <= right.0));
    }

    #[test]
    fn gaps_and_odd_ranges_survive() {
        let gap: Vec<_> =
            (0..10_000).map(|step| (step as f64, if step / 1000 == 5 { f64::NAN } else { 1.0 })).collect();
        assert!(by_column(&gap, 100).iter().any(|point| point.1.is_nan()));
        let same = vec![(1.0, 2.0); 1000];
        assert!(by_column(&same, 10).len() <= 4);
        assert!(by_column(&vec![(f64::NAN, f64::NAN); 1000], 10).len() <= 4);
    }

    #[test]
    fn even_choice_is_exact_and_ordered() {
        let items: Vec<_> = (0..10_007).collect();
        let chosen = evenly(&items, 1500);
        assert_eq!((chosen.len(), chosen[0]), (1500, 0));
        assert!(chosen.is_sorted());
        assert_eq!(evenly(&items[..3], 5), [0, 1, 2]);
    }
}
