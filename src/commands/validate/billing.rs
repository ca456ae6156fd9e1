//! The most that the links of an input can add to the bill for monthly active users.
//!
//! A bound, not a forecast: it counts every link as a user who would not be active otherwise, and leaves out the free
//! tier and the discounts of large numbers. The list prices are in `prices.json`, with their date.

use serde::Deserialize;

use crate::domain::report::CostBound;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The day of the list, `YYYY-MM-DD`.
    pub as_of: String,
    pub currency: String,
    pub source: String,
    pub note: String,
    pub plans: Vec<PlanPrices>,
    pub federated: FederatedPrice,
}

/// The prices of one feature plan.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanPrices {
    /// As the service names it in `UserPoolTier`.
    pub plan: String,
    /// Users of an account and month that cost nothing.
    pub free_users: u64,
    pub steps: Vec<PriceStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceStep {
    pub up_to_users: Option<u64>,
    pub usd_per_million: u64,
}

/// The price of users who sign in over SAML or OIDC.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederatedPrice {
    pub free_users: u64,
    pub usd_per_million: u64,
}

/// Returns the list prices.
pub fn list_prices() -> serde_json::Result<Prices> {
    serde_json::from_str(include_str!("prices.json"))
}

impl Prices {
    /// Returns the bound for this number of links in a pool of this feature plan.
    pub fn bound(&self, links: u64, plan: Option<&str>) -> CostBound {
        let known = self.plans.iter().find(|prices| Some(prices.plan.as_str()) == plan);
        let dearest = |prices: &PlanPrices| prices.steps.iter().map(|step| step.usd_per_million).max();
        let usd_per_million =
            known.and_then(dearest).or_else(|| self.plans.iter().filter_map(dearest).max()).unwrap_or_default();
        CostBound {
            active_users_max: links,
            usd_cents_max: links.saturating_mul(usd_per_million).div_ceil(10_000),
            feature_plan: known.map(|prices| prices.plan.clone()),
            prices_as_of: self.as_of.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_takes_the_dearest_price_of_the_plan() {
        let prices = list_prices().unwrap();
        let table = [
            (0, Some("PLUS"), 0, Some("PLUS")),
            (1, Some("LITE"), 1, Some("LITE")),
            (100, Some("ESSENTIALS"), 150, Some("ESSENTIALS")),
            (1_000_000, Some("LITE"), 550_000, Some("LITE")),
            (100, Some("NEW"), 200, None),
            (100, None, 200, None),
        ];
        for (links, plan, cents, named) in table {
            let bound = prices.bound(links, plan);
            assert_eq!((bound.usd_cents_max, bound.feature_plan.as_deref()), (cents, named), "{links} {plan:?}");
        }
        assert_eq!(prices.bound(u64::MAX, None).active_users_max, u64::MAX);
    }
}
