//! Which rows belong to which columns: the one-to-one assignment with the highest sum.
//!
//! Rows are taken up one by one. Each is given a column along the shortest augmenting path, a search like Dijkstra's over
//! the costs that are left after the prices of rows and columns (Jonker and Volgenant 1987, in the form of Crouse 2016).
//! The time grows with n³ at the worst and with little more than n² where most rows have a column of their own.

/// For each row its column, so that the values' sum is the highest there is.
///
/// # Panics
/// There are not n² values, or one is no number.
///
/// # Shapes
/// `values` [row, column], row after row
pub fn assignment(values: &[f32], n: usize) -> Vec<usize> {
    assert_eq!(values.len(), n * n, "one value for each row and column");
    assert!(values.iter().all(|value| value.is_finite()), "only finite values can be assigned");
    let mut search = Search::new(values, n);
    (0..n).for_each(|row| search.take_up(row));
    search.column_of.iter().map(|column| column.expect("every row has one")).collect()
}

/// Rows that have a column so far, and the prices at which none of them would change.
struct Search<'a> {
    values: &'a [f32],
    column_of: Vec<Option<usize>>,
    row_of: Vec<Option<usize>>,
    row_prices: Vec<f64>,
    column_prices: Vec<f64>,
}

/// Columns as seen from the row that is taken up.
struct Paths {
    /// The cost of the cheapest path to each, and the row before it.
    costs: Vec<f64>,
    from: Vec<usize>,
    /// Columns to which no cheapest path is known yet.
    open: Vec<usize>,
    /// Those to which one is.
    closed: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(values: &'a [f32], n: usize) -> Search<'a> {
        let (row_prices, column_prices) = (vec![0.0; n], vec![0.0; n]);
        Search { values, column_of: vec![None; n], row_of: vec![None; n], row_prices, column_prices }
    }

    fn take_up(&mut self, row: usize) {
        let n = self.row_of.len();
        let mut paths =
            Paths { costs: vec![f64::INFINITY; n], from: vec![row; n], open: (0..n).collect(), closed: Vec::new() };
        let (mut here, mut so_far) = (row, 0.0);
        let free = loop {
            let column = self.nearest(here, so_far, &mut paths);
            so_far = paths.costs[column];
            match self.row_of[column] {
                None => break column,
                Some(next) => here = next,
            }
        };
        self.reprice(row, so_far, &paths);
        self.hand_over(free, &paths.from);
    }

    /// Goes on from a row, and closes the column that is now the nearest; of equally near ones one without a row.
    fn nearest(&self, here: usize, so_far: f64, paths: &mut Paths) -> usize {
        let n = self.row_of.len();
        let (values, price) = (&self.values[here * n..][..n], so_far - self.row_prices[here]);
        let mut nearest = (f64::INFINITY, 0);
        for (place, &column) in paths.open.iter().enumerate() {
            let cost = price - f64::from(values[column]) - self.column_prices[column];
            if cost < paths.costs[column] {
                (paths.costs[column], paths.from[column]) = (cost, here);
            }
            let cost = paths.costs[column];
            if cost < nearest.0 || cost == nearest.0 && self.row_of[column].is_none() {
                nearest = (cost, place);
            }
        }
        let column = paths.open.swap_remove(nearest.1);
        paths.closed.push(column);
        column
    }

    /// Prices at which the rows on the paths would change.
    fn reprice(&mut self, row: usize, so_far: f64, paths: &Paths) {
        self.row_prices[row] += so_far;
        for &column in &paths.closed {
            let gain = so_far - paths.costs[column];
            self.column_prices[column] -= gain;
            if let Some(of_column) = self.row_of[column] {
                self.row_prices[of_column] += gain;
            }
        }
    }

    /// Gives each row on the path to the free column the next column of the path.
    fn hand_over(&mut self, free: usize, from: &[usize]) {
        let mut next = Some(free);
        while let Some(column) = next {
            let row = from[column];
            self.row_of[column] = Some(row);
            next = self.column_of[row].replace(column);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn sum(values: &[f32], columns: &[usize]) -> f64 {
        columns.iter().enumerate().map(|(row, column)| f64::from(values[row * columns.len() + column])).sum()
    }

    /// x ← (x · 1103515245 + 12345) mod 2³¹, from 1 on; numbers of −1 to 1 in steps of 2⁻¹⁵.
    fn numbers(n: usize) -> Vec<f32> {
        let next = |x: &u64| Some((x * 1_103_515_245 + 12_345) % (1 << 31));
        let drawn = std::iter::successors(Some(1), next).skip(1).take(n);
        drawn.map(|x| ((x >> 15) as f32 - 32768.0) / 32768.0).collect()
    }

    #[test]
    fn assignments_are_scipys() {
        // scipy.optimize.linear_sum_assignment(values, maximize=True), of the numbers above
        assert_eq!(assignment(&numbers(64), 8), [4, 6, 3, 7, 0, 5, 2, 1]);
        assert_eq!(sum(&numbers(10_000), &assignment(&numbers(10_000), 100)), 96.869_812_011_718_75);
        // scipy.sparse.csgraph.maximum_bipartite_matching of those above 0.96: values that are tied
        let tied: Vec<f32> = numbers(3600).iter().map(|value| f32::from(*value > 0.96)).collect();
        assert_eq!(sum(&tied, &assignment(&tied, 60)), 35.0);
    }

    #[test]
    fn small_ones_are_the_best_of_all_orders() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for n in 1..=6 {
            let values: Vec<f32> = (0..n * n).map(|_| (rng.random::<f32>() * 8.0).round()).collect();
            let found = assignment(&values, n);
            let best = orders(n).into_iter().map(|order| sum(&values, &order)).fold(f64::NEG_INFINITY, f64::max);
            assert_eq!(sum(&values, &found), best);
            let mut columns = found.clone();
            columns.sort_unstable();
            assert_eq!(columns, (0..n).collect::<Vec<usize>>(), "one to one");
        }
        assert!(assignment(&[], 0).is_empty());
    }

    fn orders(n: usize) -> Vec<Vec<usize>> {
        if n == 0 {
            return vec![Vec::new()];
        }
        let with_last = |order: Vec<usize>| -> Vec<Vec<usize>> {
            (0..n).map(|place| [&order[..place], &[n - 1], &order[place..]].concat()).collect()
        };
        orders(n - 1).into_iter().flat_map(with_last).collect()
    }

    #[test]
    #[should_panic(expected = "only finite values")]
    fn what_is_no_number_is_refused() {
        assignment(&[0.0, f32::NAN, 1.0, 2.0], 2);
    }
}
