//! What `explain` prints about one code.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExplainedCode {
    pub(super) code: &'static str,
    /// `state`, `standing`, `refusal`, `error` or `warning`.
    pub(super) kind: &'static str,
    pub(super) meaning: &'static str,
    pub(super) text: Explanation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Explanation {
    pub(super) why: &'static str,
    pub(super) advice: &'static str,
}

pub(super) const fn explanation(why: &'static str, advice: &'static str) -> Explanation {
    Explanation { why, advice }
}
