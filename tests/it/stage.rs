//! The diagram of stages.

use crate::fixture::assert_says;
use stagediff::experiment::Stage;

#[test]
fn each_edge_changes_exactly_one_of_model_and_data() {
    for stage in Stage::ALL {
        let Some(parent) = stage.parent() else { continue };
        let n_changed = usize::from(stage.model() != parent.model()) + usize::from(stage.data() != parent.data());
        assert_eq!(n_changed, usize::from(!stage.is_null_arm()), "{parent} → {stage}");
    }
}

#[test]
fn the_two_last_edges_change_what_their_axes_say() {
    let (x, y) = (Stage::DF, Stage::MF);
    assert_eq!((x.model(), x.data()), (y.model(), y.data()));
    let (d, m) = (x.parent().unwrap(), y.parent().unwrap());
    assert!(d.model() != x.model() && d.data() == x.data(), "cos(D, DF) is about the model");
    assert!(m.model() == y.model() && m.data() != y.data(), "cos(M, MF) is about the data");
}

#[test]
fn every_stage_comes_after_its_parent_and_has_its_own_name() {
    for (i, stage) in Stage::ALL.into_iter().enumerate() {
        assert_eq!(stage.to_string().parse::<Stage>().unwrap(), stage);
        assert!(stage.parent().is_none_or(|parent| Stage::ALL[..i].contains(&parent)));
    }
    assert_says("FD".parse::<Stage>(), &["stage is FD", "S, D, M, DF, MF, D0, M0"]);
}
