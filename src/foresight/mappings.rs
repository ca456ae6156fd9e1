//! Which pool attributes a provider maps: by them, besides the subject, its identities can be linked.

use super::preflight::Patience;
use crate::clock::Clock;
use crate::domain::identity::ProviderName;
use crate::domain::stop::Stop;
use crate::seed::Rng;
use crate::service::{MappedAttributes, UserDirectory};

/// Reads the names of the pool attributes that a provider's claims are mapped to. The answer of
/// `DescribeIdentityProvider` holds the provider's client secret as well, which is not kept.
///
/// # Errors
/// A [`Stop`] where access is denied, or the service cannot be reached.
pub async fn mapped_attributes(
    directory: &dyn UserDirectory,
    provider: &ProviderName,
    clock: Clock,
    rng: &mut Rng,
) -> Result<MappedAttributes, Stop> {
    let mut calls = Patience::new(clock, rng);
    let answer = calls.call("DescribeIdentityProvider", &|| directory.mapped_attributes(provider.clone())).await?;
    Ok(answer.value)
}
