/// How far a table's schema may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evolution {
    None,
    Add,
    Widen,
}
