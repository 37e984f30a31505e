//! Whether a registry answers, is of the kind that the settings say, and lets us in.

use sluice_core::settings::declare::{
    REGISTRY_BEARER_TOKEN, REGISTRY_CA_FILE, REGISTRY_OAUTH_CLIENT_ID, REGISTRY_TLS_CERT_FILE, REGISTRY_URL,
    REGISTRY_USERNAME,
};
use sluice_core::settings::registry::RegistryAccess;
use sluice_core::settings::{RegistryApi, RegistrySettings};
use sluice_core::{Code, Error, Result};

use crate::gate::Pauses;
use crate::hosts::Hosts;
use crate::http::Miss;
use crate::shared::Failure;
use crate::{apicurio, confluent, tls};

/// Asks once. What is wrong comes with the setting that it is wrong with.
pub async fn probe(settings: &RegistrySettings) -> Result<(), (&'static str, Error)> {
    tls::config(settings, false).map_err(|unusable| (unusable.setting, unusable.error))?;
    let hosts = Hosts::new(settings.clone(), Pauses::default()).map_err(|error| (REGISTRY_URL, error))?;
    let access = access(settings);
    hosts.has_access().await.map_err(|miss| missed(miss, settings, access, access))?;
    let path = match settings.api {
        RegistryApi::Confluent => confluent::PROBE,
        RegistryApi::Apicurio => apicurio::PROBE,
    };
    let answer = hosts.ask_once(path).await.map_err(|miss| missed(miss, settings, REGISTRY_URL, access))?;
    let checked = match settings.api {
        RegistryApi::Confluent => confluent::check(&answer),
        RegistryApi::Apicurio => apicurio::check(&answer),
    };
    checked.map_err(|failure| match failure {
        Failure::Refused(error) => (REGISTRY_URL, error),
        Failure::Absent(why) => (REGISTRY_URL, Error::new(Code::RegistryRefused, why)),
        Failure::Abandoned => (REGISTRY_URL, Error::new(Code::RegistryPending, "nobody asked")),
    })
}

/// The setting by which the registry knows who asks.
fn access(settings: &RegistrySettings) -> &'static str {
    match settings.access {
        RegistryAccess::User(_) => REGISTRY_USERNAME,
        RegistryAccess::Bearer(_) => REGISTRY_BEARER_TOKEN,
        RegistryAccess::OAuth(_) => REGISTRY_OAUTH_CLIENT_ID,
        RegistryAccess::Open => REGISTRY_URL,
    }
}

fn missed(
    miss: Miss,
    settings: &RegistrySettings,
    address: &'static str,
    access: &'static str,
) -> (&'static str, Error) {
    match miss {
        Miss::Passing(why) => (address, Error::new(Code::RegistryPending, why)),
        Miss::Untrusted(why) => {
            let trust = match (&settings.ca_file, &settings.identity) {
                (Some(_), _) => REGISTRY_CA_FILE,
                (None, Some(_)) => REGISTRY_TLS_CERT_FILE,
                (None, None) => REGISTRY_URL,
            };
            (trust, Error::new(Code::RegistryRefused, why))
        }
        Miss::Refused(error) => (access, error),
    }
}
