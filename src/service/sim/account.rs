//! What is asked of the account, not of one of its pools: making and listing pools, and reading limits.

use super::error::ApiError;
use super::pool::Pool;
use super::request::{Category, CreatePoolCall, LimitView, Page, PoolView};
use super::settings::PoolSettings;
use super::world::World;
use crate::clock::UnixMs;
use crate::domain::identity::SIMULATED_REGION_PREFIX;
use crate::limits;

/// Digits and letters of a pool's id, after its Region.
const ID_CHARS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const ID_LENGTH: usize = 9;
const SERVICE_CODE: &str = "cognito-idp";

impl World {
    /// `CreateUserPool`; the id follows from the seed.
    pub(super) fn create_pool(&mut self, now: UnixMs, call: CreatePoolCall) -> Result<PoolView, ApiError> {
        let name = call.name.filter(|name| !name.is_empty()).ok_or_else(|| ApiError::null_member("poolName"))?;
        if name.chars().count() > limits::USERNAME_CHARS_MAX {
            return Err(ApiError::too_long(&name, "poolName", limits::USERNAME_CHARS_MAX));
        }
        if self.pools.len() >= limits::SIM_POOLS_MAX {
            return Err(ApiError::too_many("user pools"));
        }
        let mut settings = PoolSettings::new(&self.free_pool_id());
        settings.name = name;
        settings.case_sensitive = call.case_sensitive.unwrap_or(true);
        settings.username_attributes = call.username_attributes;
        settings.alias_attributes = call.alias_attributes;
        settings.pre_sign_up_trigger = call.pre_sign_up_trigger;
        settings.schema = call.schema;
        settings.created_ms = now;
        let mut pool = Pool::new(settings).with_guesses(self.guesses.unwrap_or_default());
        pool.token_secret = self.draws.tokens.next_u64();
        pool.journal.set_lag_ms(self.list_lag_ms);
        let view = pool.describe();
        self.pools.insert(view.settings.id.clone(), pool);
        Ok(view)
    }

    fn free_pool_id(&mut self) -> String {
        loop {
            let mut id = format!("{SIMULATED_REGION_PREFIX}local-1_");
            for _ in 0..ID_LENGTH {
                let drawn = self.draws.pool_ids.below(ID_CHARS.len() as u64);
                let drawn = usize::try_from(drawn).unwrap_or(0);
                id.push(char::from(ID_CHARS[drawn]));
            }
            if !self.pools.contains_key(&id) {
                return id;
            }
        }
    }

    /// `ListUserPools`, by id.
    pub(super) fn list_pools(
        &self,
        limit: Option<u64>,
        token: Option<&str>,
        request_id: &str,
    ) -> Result<Page<PoolSettings>, ApiError> {
        let limit = match limit {
            None => return Err(ApiError::null_member("maxResults")),
            Some(0) => return Err(ApiError::too_small(0, "maxResults", 1)),
            Some(limit) => super::page::page_size(Some(limit), "maxResults", limits::POOLS_PER_PAGE_MAX)?,
        };
        let start: usize = match token {
            Some(token) => token.parse().map_err(|_| ApiError::paging_marker(token, request_id))?,
            None => 0,
        };
        let items: Vec<_> = self.pools.values().skip(start).take(limit).map(|pool| pool.settings.clone()).collect();
        let end = start.saturating_add(items.len());
        Ok(Page { items, next_token: (end < self.pools.len()).then(|| end.to_string()) })
    }

    /// `GetProvisionedLimit`. Whether it answers for categories that cannot be raised is not known; here it does.
    pub(super) fn provisioned_limit(&self, class: Option<&str>, category: Option<&str>) -> Result<LimitView, ApiError> {
        let class = class.ok_or_else(|| ApiError::null_member("limitDefinition.limitClass"))?;
        let category = category.ok_or_else(|| ApiError::null_member("limitDefinition.attributes"))?;
        if class != "API_CATEGORY" {
            return Err(ApiError::not_in_set(class, "limitDefinition.limitClass", &["API_CATEGORY"]));
        }
        let category = Category::by_name(category).ok_or_else(ApiError::limit_unknown)?;
        Ok(LimitView { category, per_second: self.quota.per_second(category) })
    }

    /// `GetServiceQuota` and `GetAWSDefaultServiceQuota`.
    pub(super) fn service_quota(
        &self,
        default: bool,
        service: Option<&str>,
        code: Option<&str>,
    ) -> Result<LimitView, ApiError> {
        let service = service.ok_or_else(|| ApiError::null_member("serviceCode"))?;
        let code = code.ok_or_else(|| ApiError::null_member("quotaCode"))?;
        let category = Some(code).filter(|_| service == SERVICE_CODE).and_then(Category::by_quota_code);
        let category = category.ok_or_else(ApiError::quota_unknown)?;
        let per_second = if default { category.default_per_second() } else { self.quota.per_second(category) };
        Ok(LimitView { category, per_second })
    }
}
