//! How well a language model predicts: the loss of each next token, and its gradients.

use crate::language_model::cross_entropy::{self, cross_entropy};
use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::hook::HookPoint;
use crate::language_model::tokens::TokenRows;
use tch::{Kind, Tensor};

/// Mean loss of predicting each token that counts from those before it, and how many count. Without gradients.
///
/// # Shapes
/// `tokens`, `with_loss` [batch, seq], of which `with_loss` may stay on the processor → scalar, nats
pub fn next_token_loss(model: &GptNeo, tokens: &Tensor, with_loss: &Tensor) -> (Tensor, i64) {
    let _no_grad = tch::no_grad_guard();
    let (hidden, targets) = predictions(model, tokens, with_loss, false);
    (cross_entropy(&hidden, &model.wte, &targets), targets.numel() as i64)
}

/// The same with what passes some hook points edited, as in [`GptNeo::resid_hooked`].
///
/// # Shapes
/// As [`next_token_loss`]; at each hook point [batch, seq, d_model].
pub fn edited_loss(
    model: &GptNeo,
    tokens: &Tensor,
    with_loss: &Tensor,
    hooks: &[HookPoint],
    edit: &mut dyn FnMut(HookPoint, Tensor) -> Tensor,
) -> (Tensor, i64) {
    let _no_grad = tch::no_grad_guard();
    let (counted, targets) = counted(tokens, with_loss);
    let resid = model.resid_hooked(tokens, hooks, edit).flatten(0, 1).index_select(0, &counted);
    (cross_entropy(&model.ln_f.forward(&resid), &model.wte, &targets), targets.numel() as i64)
}

/// A loss with its gradients.
#[derive(Debug)]
pub struct LossGradients {
    /// Mean over the tokens that count, scalar, nats.
    pub loss: Tensor,
    /// One a parameter.
    pub grads: Vec<Tensor>,
    /// Tokens that count.
    pub n_tokens: i64,
}

/// Mean loss of predicting each token that counts, with its gradients with respect to `params`, tensors of `model` that
/// require them. With `train` adapters drop inputs.
///
/// # Shapes
/// As [`next_token_loss`].
pub fn next_token_gradients(
    model: &GptNeo,
    params: &[Tensor],
    tokens: &Tensor,
    with_loss: &Tensor,
    train: bool,
) -> LossGradients {
    let (hidden, targets) = predictions(model, tokens, with_loss, train);
    let at_head = cross_entropy::gradients(&hidden, &model.wte, &targets, model.wte.requires_grad());
    // Its gradient with respect to `hidden` is the loss's.
    let linear = (&hidden * at_head.hidden).sum(Kind::Float);
    let mut grads = Tensor::run_backward(&[linear], params, false, false);
    if let Some(d_head) = at_head.head {
        let is_head = |param: &Tensor| param.data_ptr() == model.wte.data_ptr();
        if let Some(place) = params.iter().position(is_head) {
            grads[place] += d_head; // the head is tied to the embedding
        }
    }
    LossGradients { loss: at_head.loss, grads, n_tokens: targets.numel() as i64 }
}

/// What the head sees at each position whose next token counts, and that token.
///
/// # Shapes
/// → [counted, d_model], [counted]
fn predictions(model: &GptNeo, tokens: &Tensor, with_loss: &Tensor, train: bool) -> (Tensor, Tensor) {
    let (counted, targets) = counted(tokens, with_loss);
    (model.ln_f.forward(&model.resid_at(tokens, &counted, train)), targets)
}

/// The positions, counted through the batch, whose next token counts, and that token.
///
/// # Shapes
/// → [counted], [counted]
fn counted(tokens: &Tensor, with_loss: &Tensor) -> (Tensor, Tensor) {
    let (_, seq) = tokens.size2().expect("tokens [batch, seq]");
    let counted = with_loss.narrow(1, 1, seq - 1).constant_pad_nd([0, 1]).reshape([-1]).nonzero().squeeze_dim(1);
    let counted = counted.to_device(tokens.device());
    let targets = tokens.reshape([-1]).index_select(0, &(&counted + 1));
    (counted, targets)
}

/// Mean loss of predicting every token but the first from a final residual stream. Without gradients.
///
/// # Shapes
/// `resid` [batch, seq, d_model], `tokens` [batch, seq] → scalar, nats
pub fn next_token_loss_of(model: &GptNeo, resid: &Tensor, tokens: &Tensor) -> Tensor {
    let _no_grad = tch::no_grad_guard();
    let (_, seq) = tokens.size2().expect("tokens [batch, seq]");
    let hidden = model.ln_f.forward(&resid.narrow(1, 0, seq - 1)).flatten(0, 1);
    cross_entropy(&hidden, &model.wte, &tokens.narrow(1, 1, seq - 1).reshape([-1]))
}

/// Mean loss over all rows, without gradients.
///
/// # Shapes
/// → nats a token
pub fn mean_loss(model: &GptNeo, rows: &TokenRows, batch: i64) -> f64 {
    let (mut sum, mut n_tokens) = (0.0, 0);
    for start in (0..rows.n_rows()).step_by(batch as usize) {
        let n_rows = batch.min(rows.n_rows() - start);
        let part = |tensor: &Tensor| tensor.narrow(0, start, n_rows);
        let tokens = part(&rows.tokens).to_device(model.wte.device());
        let (loss, n_counted) = next_token_loss(model, &tokens, &part(&rows.with_loss));
        sum += loss.double_value(&[]) * n_counted as f64;
        n_tokens += n_counted;
    }
    sum / n_tokens as f64
}
