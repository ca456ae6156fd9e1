//! Every bound of the simulator, each with its unit in its name.

// What the service allows.

pub(crate) const POOL_ID_CHARS_MAX: usize = 55;
pub(crate) const PROVIDER_NAME_CHARS_MAX: usize = 32;
pub(crate) const USERNAME_CHARS_MAX: usize = 128;
/// The most characters that the schema of a pool may allow for a text (service model).
pub(crate) const ATTRIBUTE_VALUE_CHARS_MAX: i64 = 2048;
/// Names of attributes in the schema of a pool, less `custom:` (service model).
pub(crate) const ATTRIBUTE_NAME_CHARS_MAX: usize = 20;
/// Attributes of the schema with which a pool is created (service model).
pub(crate) const SCHEMA_ATTRIBUTES_MAX: usize = 50;
pub(crate) const PASSWORD_CHARS_MAX: usize = 256;
/// Shortest password by the policy that a pool has by default.
pub(crate) const PASSWORD_CHARS_MIN: u64 = 8;
/// Attribute names and values of a link (service model).
pub(crate) const LINK_TEXT_CHARS_MAX: usize = 131_072;
/// Provider name, attribute name and value of a source together (seen in the field, aws-sdk-js-v3 #6985).
pub(crate) const SOURCE_CHARS_MAX: usize = 128;
/// Provider names where [`Behavior::ProviderNames40`](crate::Behavior::ProviderNames40).
pub(crate) const LONG_PROVIDER_NAME_CHARS_MAX: usize = 40;
/// Attribute names by which identities of one provider are linked, where
/// [`Behavior::LimitIsAttributeNames`](crate::Behavior::LimitIsAttributeNames).
pub(crate) const LINK_ATTRIBUTES_PER_PROVIDER_MAX: usize = 5;
/// The lag of lists where [`Behavior::ListLag40s`](crate::Behavior::ListLag40s).
pub(crate) const LONG_LIST_LAG_MS: u64 = 40_000;
/// One link call of so many is throttled where [`Behavior::LimitIsThrottle`](crate::Behavior::LimitIsThrottle).
pub(crate) const CALLS_PER_THROTTLED_LINK: u64 = 5;
/// One link of so many is answered as refused where [`Behavior::RefusalsLink`](crate::Behavior::RefusalsLink).
pub(crate) const LINKS_PER_REFUSED_LINK: u64 = 4;
/// Filters of `ListUsers` (service model).
pub(crate) const FILTER_CHARS_MAX: usize = 256;
/// Identities of one user, its own included (service quota, not adjustable).
pub(crate) const IDENTITIES_PER_USER_MAX: usize = 5;
/// Service quota: 300, to 1,000 on request.
pub(crate) const PROVIDERS_PER_POOL_MAX: usize = 1_000;
pub(crate) const USERS_PER_PAGE_MAX: usize = 60;
pub(crate) const PROVIDERS_PER_PAGE_MAX: usize = 60;
pub(crate) const POOLS_PER_PAGE_MAX: usize = 60;
pub(crate) const APP_CLIENTS_PER_PAGE_MAX: usize = 60;
/// Minutes after which a `PaginationToken` of `ListUsers` expires (developer guide).
pub(crate) const PAGINATION_TOKEN_MINUTES: i64 = 60;

// What the simulator allows.

pub(crate) const POOLS_MAX: usize = 1_000;
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;
pub(crate) const CONNECTIONS_MAX: usize = 4_096;
/// A connection without a request is closed after this time.
pub(crate) const IDLE_MS_MAX: u64 = 300_000;
/// Longest wait for the body of a request.
pub(crate) const BODY_MS_MAX: u64 = 30_000;
/// Longest wait of a stopping server for its open calls.
pub(crate) const STOP_MS_MAX: u64 = 5_000;
/// Longest latency that an option may ask for.
pub(crate) const LATENCY_MS_MAX: u32 = 15_000;
/// Longest time by which a fault may delay one answer.
pub(crate) const SLOW_MS_MAX: u64 = 600_000;
/// Size of a fault file.
pub(crate) const FAULT_FILE_BYTES_MAX: u64 = 1024 * 1024;
pub(crate) const FAULTS_MAX: usize = 1_000;
pub(crate) const RATE_CHANGES_MAX: usize = 1_000;
/// Highest rate, in calls per second.
pub(crate) const RATE_PER_SECOND_MAX: f64 = 1_000_000.0;
/// Calls of other tenants that are drawn one by one between two calls of ours; further ones are only counted.
pub(crate) const BACKGROUND_CALLS_MAX: usize = 100_000;
/// Longest time by which lists may lag behind writes.
pub(crate) const LIST_LAG_MS_MAX: u64 = 120_000;
/// Writes that lists may not show yet; beyond this the oldest shows early.
pub(crate) const LAGGING_WRITES_MAX: usize = 100_000;
/// Users that one page looks at where its filter has no index.
pub(crate) const USERS_LOOKED_AT_MAX: usize = 1_000;
/// Token buckets of single users.
pub(crate) const BUCKETS_MAX: usize = 65_536;
/// Seconds of which statistics are kept one by one.
pub(crate) const STATS_SECONDS_MAX: usize = 100_000;
/// Size of a pool file.
pub(crate) const POOL_FILE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Bytes of a pool file that are read at a time.
pub(crate) const READ_BUFFER_BYTES: usize = 128 * 1024;
