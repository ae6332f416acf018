//! Cross-entropy over a large vocabulary, a few rows of logits at a time.
//!
//! ```text
//! L = mean_i (log Σ_v exp ⟨h_i, w_v⟩ − ⟨h_i, w_target⟩)     ∂L/∂h = (softmax − one-hot) W / n     ∂L/∂W = (softmax − one-hot)ᵀ h / n
//! ```
//! The logits of 2048 tokens over a vocabulary of 50,257 are 400 MiB, and autograd holds them three times over. Here the
//! gradients are computed along with the loss, while a piece of the logits is at hand.

use tch::{Kind, Tensor};

/// Logits at once, 32 MiB of them: enough rows that reading W for each piece costs little beside the products.
const N_LOGITS: i64 = 1 << 23;

/// Mean loss of predicting `targets`.
///
/// # Shapes
/// `hidden` [token, d_model], `head` [vocab, d_model], `targets` `[token]` → scalar, nats
pub fn cross_entropy(hidden: &Tensor, head: &Tensor, targets: &Tensor) -> Tensor {
    let sums = pieces(hidden, head, targets, |_, _| ());
    sums / hidden.size()[0] as f64
}

/// The loss and what it asks of its inputs.
#[derive(Debug)]
pub struct CrossEntropy {
    /// Mean loss, scalar, nats.
    pub loss: Tensor,
    /// ∂L/∂h, [token, d_model].
    pub hidden: Tensor,
    /// ∂L/∂W, [vocab, d_model], where it was asked for.
    pub head: Option<Tensor>,
}

/// Mean loss of predicting `targets` with its gradients; that of the head only if `of_head`.
///
/// # Shapes
/// As [`cross_entropy`].
pub fn gradients(hidden: &Tensor, head: &Tensor, targets: &Tensor, of_head: bool) -> CrossEntropy {
    let _no_grad = tch::no_grad_guard();
    let n_tokens = hidden.size()[0] as f64;
    let mut d_hidden = Vec::new();
    let mut d_head = of_head.then(|| head.zeros_like());
    let sum = pieces(hidden, head, targets, |mut log_probs, piece| {
        let mut d_logits = log_probs.exp_();
        let minus_one = Tensor::full_like(&piece.targets, -1.0).to_kind(d_logits.kind());
        let _ = d_logits.scatter_add_(1, &piece.targets, &minus_one);
        d_hidden.push(d_logits.matmul(head) / n_tokens);
        if let Some(d_head) = &mut d_head {
            *d_head += d_logits.tr().matmul(&(piece.hidden / n_tokens));
        }
    });
    CrossEntropy { loss: sum / n_tokens, hidden: Tensor::cat(&d_hidden, 0), head: d_head }
}

/// Some of the tokens.
struct Piece<'a> {
    hidden: &'a Tensor,
    /// [token, 1]
    targets: Tensor,
}

/// Sums the loss up over pieces; `then` gets the log-probabilities of each, [token, vocab].
fn pieces(hidden: &Tensor, head: &Tensor, targets: &Tensor, mut then: impl FnMut(Tensor, Piece)) -> Tensor {
    let _no_grad = tch::no_grad_guard();
    let n_tokens = hidden.size()[0].max(1) as u64;
    let at_most = (N_LOGITS as u64 / head.size()[0] as u64).clamp(1, n_tokens);
    let n_rows = n_tokens.div_ceil(n_tokens.div_ceil(at_most)) as i64; // pieces of one size
    let room = || Tensor::empty([n_rows, head.size()[0]], (hidden.kind(), hidden.device()));
    let (all_logits, all_log_probs) = (room(), room());
    let mut sum = Tensor::zeros([], (Kind::Double, hidden.device()));
    for (hidden, targets) in hidden.split(n_rows, 0).iter().zip(targets.split(n_rows, 0)) {
        let targets = targets.unsqueeze(1);
        let of_piece = |room: &Tensor| room.narrow(0, 0, hidden.size()[0]);
        let logits = hidden.mm_out(&of_piece(&all_logits), &head.tr());
        let log_probs = logits.log_softmax_int_out(&of_piece(&all_log_probs), -1, None);
        sum -= log_probs.gather(1, &targets, false).sum(Kind::Double);
        then(log_probs, Piece { hidden, targets });
    }
    sum
}
