//! Columns that Sluice computes.

use crate::crossing::Needs;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Computed;

/// Texts as the user gave them; empty: not given.
#[derive(Debug, Default)]
pub struct ComputedSettings<'a> {
    pub metadata_columns: &'a str,
    pub metadata_prefix: &'a str,
    pub metadata_struct: Option<&'a str>,
    pub key_columns: bool,
    pub key_prefix: &'a str,
    pub derived: &'a str,
    pub partition_by: &'a str,
}

impl Computed {
    pub fn parse(_settings: &ComputedSettings) -> Result<Computed, (&'static str, String)> {
        Ok(Computed)
    }

    pub fn needs(&self) -> Needs {
        Needs::default()
    }
}
