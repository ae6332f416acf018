//! The loss over a large vocabulary, taken piece by piece, against libtorch's autograd in float64.

use crate::fixture;
use crate::rounding::{assert_near, assert_within, in_double, share};
use stagediff::language_model::cross_entropy::{cross_entropy, gradients};
use stagediff::processor::generator::seeded;
use tch::{Device, Kind, Reduction, Tensor};

const N_TOKENS: i64 = 4500;
const N_VOCAB: i64 = 4096;
const WIDTH: i64 = 6;

/// Loss and gradients by autograd.
fn autograd(hidden: &Tensor, head: &Tensor, targets: &Tensor) -> (Tensor, Vec<Tensor>) {
    let [hidden, head] = [hidden, head].map(|tensor| in_double(tensor).set_requires_grad(true));
    let loss = hidden.matmul(&head.tr()).cross_entropy_loss(targets, None::<Tensor>, Reduction::Mean, -100, 0.0);
    let grads = Tensor::run_backward(&[&loss], &[&hidden, &head], false, false);
    (loss.detach(), grads)
}

/// The logits are three times what is held at once. Dropping a piece would move the loss by a third, counting a token too
/// few the gradients by one in 4500: bounds are below one in 10,000.
#[test]
fn loss_and_gradients_are_those_of_autograd_over_several_pieces() {
    let (hidden, head) = (fixture::normal(&[N_TOKENS, WIDTH], 1), fixture::normal(&[N_VOCAB, WIDTH], 2));
    let targets = {
        let _generator = seeded(3);
        Tensor::randint(N_VOCAB, [N_TOKENS], (Kind::Int64, Device::Cpu))
    };
    let (exact, exact_grads) = autograd(&hidden, &head, &targets);
    let found = gradients(&hidden, &head, &targets, true);

    let logits = in_double(&hidden).matmul(&in_double(&head).tr());
    let d_logits = (logits.softmax(-1, Kind::Double) + targets.one_hot(N_VOCAB)) / N_TOKENS as f64; // |softmax| + |one-hot|
    let size = in_double(&hidden).abs().matmul(&in_double(&head).abs().tr()).max().double_value(&[]);
    let of_logits = 2.0 * share(WIDTH, Kind::Float) * size; // a share of each softmax, a distance of each loss
    let of_sum = |n_terms: i64| share(n_terms, Kind::Float);

    let off_nats = of_logits + of_sum(N_VOCAB);
    let exact_nats = exact.double_value(&[]);
    for nats in [found.loss, cross_entropy(&hidden, &head, &targets)] {
        assert_near(nats.double_value(&[]), exact_nats, off_nats / exact_nats);
    }
    let bound = d_logits.matmul(&in_double(&head).abs()) * (of_logits + 2.0 * of_sum(N_VOCAB));
    assert_within(&found.hidden, &exact_grads[0], &bound);
    let bound = d_logits.tr().matmul(&in_double(&hidden).abs()) * (of_logits + of_sum(N_VOCAB) + of_sum(N_TOKENS));
    assert_within(&found.head.unwrap(), &exact_grads[1], &bound);
    assert!(gradients(&hidden, &head, &targets, false).head.is_none());
}
