//! Records that name their table (`delta.route.by`), where the connector goes by what they say.

/// The tables that values stand for, as `delta.route.map`.
pub const MAP: &str = "a=a; b=b; both=a,b";

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Route {
    /// The connector does not ask: all tables.
    NotAsked,
    A,
    B,
    Both,
    /// No entry of the map matches.
    Elsewhere,
    /// The record does not say.
    Missing,
}

impl Route {
    /// What the record says.
    pub fn value(self) -> Option<&'static str> {
        match self {
            Route::A => Some("a"),
            Route::B => Some("b"),
            Route::Both => Some("both"),
            Route::Elsewhere => Some("elsewhere"),
            Route::NotAsked | Route::Missing => None,
        }
    }

    pub fn leads_to(self, table: &str) -> bool {
        match self {
            Route::NotAsked | Route::Both => true,
            Route::A => table.ends_with("/a"),
            Route::B => table.ends_with("/b"),
            Route::Elsewhere | Route::Missing => false,
        }
    }

    pub fn leads_nowhere(self) -> bool {
        matches!(self, Route::Elsewhere | Route::Missing)
    }
}
