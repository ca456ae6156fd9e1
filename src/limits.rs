//! Every bound and default of the program, each with its unit in its name.
//!
//! A queue, loop, line or wait without a bound here is a defect. Bounds that users meet are listed in `docs/limits.md`.

/// Longest record (CSV row or JSONL line) that is read, in bytes. A longer one is a finding, never held in memory.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;
pub const COLUMNS_MAX: usize = 1_000;
pub const JSON_DEPTH_MAX: usize = 16;
/// Most bytes that a compressed input may expand to from one byte of its own, over the whole file.
pub const DECOMPRESSION_RATIO_MAX: u64 = 200;
/// Decompressed bytes below which the ratio is not looked at.
pub const DECOMPRESSION_FREE_BYTES: u64 = 64 * 1024 * 1024;
/// Largest zstd window that is accepted, as a power of two of bytes.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Bytes read from the input at a time.
pub const READ_BUFFER_BYTES: usize = 128 * 1024;
/// Bytes of a record that is too long that are kept, so that a result file can show which one it was.
pub const RAW_EXCERPT_BYTES: usize = 1_024;
/// Most bytes of standard input that are kept in a temporary file, as they come.
pub const SPOOL_BYTES_MAX: u64 = 1024 * 1024 * 1024 * 1024;
/// Names of a header that one message lists.
pub const HEADER_NAMES_SHOWN_MAX: usize = 20;
/// Characters of a header's name that a message shows.
pub const HEADER_NAME_SHOWN_CHARS_MAX: usize = 40;
/// Bytes of records that are sorted in memory before they go to a temporary file.
pub const SORT_RUN_BYTES: usize = 32 * 1024 * 1024;
/// Sorted temporary files before they are merged into one: each is open, with a buffer of its own while it is merged.
pub const SORT_RUNS_MAX: usize = 128;
/// Bytes of an export that are printed at a time.
pub const OUTPUT_CHUNK_BYTES: usize = 256 * 1024;
/// Bytes of a sorted temporary file that are read or written at a time.
pub const SORT_BUFFER_BYTES: usize = 64 * 1024;
/// Codes that `explain` suggests for an unknown one.
pub const SUGGESTIONS_MAX: usize = 5;
/// Bytes of an object of S3 that one request reads, and that a reading keeps.
pub const S3_PART_BYTES: usize = 1024 * 1024;
/// Largest object that is written to S3, in bytes: what one `PutObject` takes.
pub const S3_OBJECT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// Attempts for one request to S3.
pub const S3_ATTEMPTS_MAX: u32 = 6;
/// Connections in a row that may break before they have brought a byte of a part.
pub const S3_BROKEN_CONNECTIONS_MAX: u32 = 5;
/// Wait after the first of them, in milliseconds; after the others that many times as long.
pub const S3_RESUME_WAIT_MS: u64 = 1_000;
/// Time for every write to S3, in milliseconds.
pub const S3_WRITE_MS_MIN: u64 = 60_000;
/// A write to S3 has as much time more as its bytes take at this rate, in bytes per second.
pub const S3_WRITE_BYTES_PER_SECOND_MIN: u64 = 256 * 1024;
/// Time between two copies of `--ledger-copy`, in milliseconds.
pub const LEDGER_COPY_INTERVAL_MS: u64 = 300_000;
/// Bytes of the decoded input that have one hash: 8 bytes of memory for each, 1.5 MiB for 50 GB.
pub const PIN_BLOCK_BYTES: usize = 256 * 1024;
/// Rows that the reader hands over at a time.
pub const READER_BATCH_ROWS: usize = 256;
/// Batches that may wait between the reader and the dispatcher.
pub const READER_BATCHES_MAX: usize = 4;
/// Rows of one input: they are counted in 32 bits where they are compared.
pub const INPUT_ROWS_MAX: u32 = u32::MAX - 1;
/// Rows that may repeat or contradict other rows, with 12 bytes for each conflict.
pub const CONFLICTS_MAX: usize = 10_000_000;
/// Rows above which comparing them goes part by part, to save memory.
pub const CROSS_ROW_UNDIVIDED_ROWS: usize = 1 << 20;
/// Those parts, as a power of two.
pub const CROSS_ROW_PARTS_LOG: u32 = 2;
/// Identifiers of one kind and length from which on another length is unusual.
pub const LENGTH_ROWS_MIN: u64 = 50;
/// At most one row in this many may have another length: with more, lengths simply differ.
pub const LENGTH_STRAYS_SHARE: u64 = 50;
/// Identifiers from this length on are not numbered in turn, so their length does not grow, in bytes.
pub const FIXED_LENGTH_BYTES_MIN: usize = 16;
/// Identifiers with capitals and small letters that it takes to miss the capitals in another one.
pub const LOWERED_MIXED_ROWS_MIN: u64 = 3;
/// At most this many identifiers without capitals for each with both: with more, the provider sends them so.
pub const LOWERED_MIXED_SHARE_MIN: u64 = 9;
/// Letters of an identifier that may have lost its capitals.
pub const LOWERED_LETTERS_MIN: u64 = 10;
/// Capitals among the letters of the others, in percent: names of people have fewer.
pub const LOWERED_CAPITALS_SHARE_MIN: u64 = 30;
/// Identifiers without capitals are reported where chance alone gives so many with a smaller probability than this.
pub const LOWERED_CHANCE_MAX: f64 = 0.005;
/// Long numbers that end in zeros are damaged where chance alone gives so many with a smaller probability than this.
pub const ZERO_ENDS_CHANCE_MAX: f64 = 0.000_5;
/// Findings of one severity that are printed one by one; the rest are counted.
pub const FINDINGS_SHOWN_MAX: usize = 20;

/// Longest user pool id, in characters (service model).
pub const POOL_ID_CHARS_MAX: usize = 55;
/// Longest provider name that the service model has, in characters. A quota page says 40, so more is only suspicious.
pub const PROVIDER_NAME_CHARS_MAX: usize = 32;
/// Longest provider name that is believed, in the pool's list or in the input, in characters.
pub const PROVIDER_NAME_BELIEVED_CHARS_MAX: usize = 128;
/// Longest user name, in characters (service model).
pub const USERNAME_CHARS_MAX: usize = 128;
/// Longest attribute value, in characters (quota page of the service).
pub const ATTRIBUTE_VALUE_CHARS_MAX: usize = 2_048;
/// Longest attribute name, in characters (`custom:` and 20, and some more).
pub const ATTRIBUTE_NAME_CHARS_MAX: usize = 64;
/// Provider name, attribute name and value of a source together, in characters (seen in the field, aws-sdk-js-v3 #6985).
pub const SOURCE_CHARS_MAX: usize = 128;
/// Digits of a phone number, country code included (E.164).
pub const PHONE_DIGITS_MAX: usize = 15;
/// `UserStatus` of users whom the pool, a provider or an administrator has confirmed (service model).
pub const TRUSTED_USER_STATUSES: [&str; 4] =
    ["CONFIRMED", "EXTERNAL_PROVIDER", "RESET_REQUIRED", "FORCE_CHANGE_PASSWORD"];
/// Identities that a pool must have of a provider before values of a file that look different are an error: none among so
/// many means that at most three in a hundred are so, with 95 % confidence.
pub const POOL_SUBJECTS_JUDGED_MIN: u64 = 100;
/// Identities that a pool must have of a provider before such values are a warning.
pub const POOL_SUBJECTS_WARNED_MIN: u64 = 10;
/// Pages of the first users of a pool that a sample of identities takes.
pub const SUBJECT_SAMPLE_PAGES: usize = 3;
/// Pages of profiles of each provider that a sample of identities takes.
pub const SUBJECT_SAMPLE_PAGES_PER_PROVIDER: usize = 2;
/// `ListUsers` calls for a sample of identities, whatever the number of providers.
pub const SUBJECT_SAMPLE_READS_MAX: u64 = 20;
/// Prefixes of the identities of one provider, such as Auth0's connections, that are compared by themselves.
pub const SUBJECT_PREFIXES_MAX: usize = 20;
/// Longest filter of `ListUsers`, in characters (service model).
pub const FILTER_CHARS_MAX: usize = 256;
/// Identities that one user may hold, linked ones and its own together (service quota, not adjustable).
pub const IDENTITIES_PER_USER_MAX: usize = 5;
/// Identity providers of one pool (service quota: 300, to 1,000 on request).
pub const PROVIDERS_PER_POOL_MAX: usize = 1_000;
/// Users on one page of `ListUsers` (service model).
pub const USERS_PER_PAGE_MAX: usize = 60;
/// Most pages that one look-up of a user reads.
pub const READ_PAGES_MAX: usize = 20;
/// Restarts of one chain of a scan after its token expired, which it does after an hour.
pub const SCAN_RESTARTS_MAX: u32 = 3;
/// Look-ups in turn that the service may leave unanswered before a check of the input stops.
pub const LOOK_UPS_UNANSWERED_MAX: usize = 20;
/// Calls of `ListUsers` in flight while rows are looked up before the start.
pub const LOOK_UPS_OPEN_MAX: usize = 64;
/// Calls that a scan costs beside its pages: each of its chains ends on a page that is not full.
pub const SCAN_CHAINS: u64 = 16;
/// Candidates of an ambiguous row that a message shows.
pub const CANDIDATES_SHOWN_MAX: usize = 5;
/// Refused rows that `validate` lists one by one on a terminal; the rest are counted.
pub const VERDICTS_SHOWN_MAX: usize = 20;
/// Users of one address that `duplicates` lists; the rest are counted.
pub const DUPLICATE_USERS_MAX: usize = 100;
/// Choices among ambiguous users that one file may hold.
pub const CHOICES_MAX: usize = 1_000_000;
/// A plan older than this is refused by default, in hours.
pub const PLAN_AGE_HOURS_MAX: u64 = 24;
/// Longest line of a plan, in bytes.
pub const PLAN_LINE_BYTES_MAX: usize = 64 * 1024;
/// Providers on one page of `ListIdentityProviders` (service model).
pub const PROVIDERS_PER_PAGE_MAX: usize = 60;

/// Writes a second that an account and Region may make in category `UserUpdate` (quota L-6621E65D, not adjustable).
pub const WRITE_QUOTA_PER_SECOND: f64 = 25.0;
/// Reads a second in category `UserList` (quota L-259E3368, not adjustable).
pub const LIST_QUOTA_PER_SECOND: f64 = 30.0;
/// Share of a quota that a run takes by default.
pub const SHARE_DEFAULT: f64 = 0.8;
/// Slowest `--rate`, in calls a second.
pub const RATE_PER_SECOND_MIN: f64 = 0.2;
/// Fastest `--rate`, in calls a second.
pub const RATE_PER_SECOND_MAX: f64 = 20_000.0;
/// Calls that may follow one another without spacing after an idle moment: one slot and the one to catch up.
pub const RATE_BURST_CALLS: u32 = 2;
/// At a fast pace, missed slots of this time are caught up, in milliseconds: timers are no finer than one.
pub const RATE_CATCH_UP_MS: u64 = 5;
/// Least time between writes to one user, in milliseconds: the service allows ten a second, not adjustable.
pub const WRITE_SPACING_PER_USER_MS: u64 = 100;
/// Interval at which a run reads the account's limit again, in milliseconds.
pub const LIMIT_READ_INTERVAL_MS: u64 = 300_000;
/// Longest wait for one answer about the account's limit, in milliseconds.
pub const LIMIT_READ_MS_MAX: u64 = 5_000;
/// Limits that were read and that the run has not taken yet.
pub const LIMITS_WAITING_MAX: usize = 1;
/// Most shards of one input.
pub const SHARDS_MAX: u32 = 10_000;
/// The initial rate where the quota is not known (`--rate max`), in calls a second.
pub const RATE_START_PER_SECOND: f64 = 25.0;
/// Share of calls that may fail, other than by a refusal for the rate, before the pace is halved.
pub const FAULTS_SHARE_MAX: f64 = 0.1;
/// Seconds over which that share is taken.
pub const FAULTS_WINDOW_SECONDS: usize = 10;
/// Most times a minute that the pace is halved for such faults.
pub const FAULT_HALVINGS_A_MINUTE_MAX: usize = 3;
/// Most calls that the pace remembers: those of the six seconds that it measures by, at its fastest.
pub const PACE_LOG_CALLS_MAX: usize = 131_072;
/// Fewest calls that it remembers, however long they took.
pub const PACE_LOG_CALLS_MIN: usize = 64;
/// First pause after a throttled answer, in milliseconds; doubles with each throttled answer in a row.
pub const COOL_DOWN_MS_MIN: u64 = 250;
/// Longest pause after throttled answers, in milliseconds.
pub const COOL_DOWN_MS_MAX: u64 = 20_000;

/// Most calls in flight, whatever the options say.
pub const CONCURRENCY_MAX: usize = 1_024;
/// Fewest calls in flight when the number is derived from the rate.
pub const CONCURRENCY_MIN: usize = 8;
/// A run is stuck when no call was accepted for this long, in milliseconds.
pub const STUCK_MS: u64 = 60_000;
/// How long the next call must be due before the rate is given as the reason for waiting, in milliseconds.
pub const RATE_WAIT_SHOWN_MS: u64 = 1_000;
/// Rows that are held between the reader and their result.
pub const WINDOW_ROWS: usize = 4_096;
/// Most rows that are announced in the ledger ahead of their call.
pub const ANNOUNCED_AHEAD_MAX: usize = 512;
/// Attempts that a row gets on transient faults; throttled answers do not count.
pub const ATTEMPTS_MAX: u32 = 5;
/// Newest results of rows that the limits of `--stop-after` look at.
pub const STOP_WINDOW_ROWS: usize = 1_000;
/// Results from which on a limit in percent counts.
pub const STOP_RESULTS_MIN: u64 = 100;
/// Rows of one provider that may be refused, if all of them are, before a run stops, by default.
pub const STOP_PROVIDER_ROWS: u64 = 20;
/// Part of the newest results that may be `user_not_found`, in percent, before a run stops, by default.
pub const STOP_NOT_FOUND_PERCENT: f64 = 20.0;
/// Newest results that may be `unrecognised` before a run stops, by default.
pub const STOP_UNRECOGNISED_ROWS: u64 = 10;
/// Newest results that may be failed, and that may be in doubt, before a run stops, by default.
pub const STOP_FAILED_ROWS: u64 = 100;
/// Rows whose link calls the service must leave without a decision, for [`STUCK_MS`], before a run stops.
pub const STUCK_ROWS: usize = 10;
/// Fewest rows of an input by default.
pub const INPUT_ROWS_MIN: u64 = 1;
/// Part of its rows that an input may lose from one run to the next by default, in percent.
pub const SHRINK_PERCENT_MAX: f64 = 20.0;
/// Inputs of a ledger of which the number of rows is kept.
pub const LEDGER_INPUTS_MAX: usize = 1_000;
/// Most links that `reconcile --apply` makes by default.
pub const CHANGES_MAX: u64 = 500;
/// The same in percent of the file's rows.
pub const CHANGES_PERCENT_MAX: f64 = 5.0;
/// Time for the question to STS who calls, in milliseconds. Without an answer the account is not known.
pub const CALLER_TIMEOUT_MS: u64 = 5_000;
/// Over so many links the pool's name has to be typed to confirm them.
pub const NAME_ASKED_LINKS: u64 = 10_000;
/// From this percentage of refused rows on, the question before a run mentions the refusals of its plan.
pub const PLAN_REFUSED_PERCENT_NOTED: u64 = 10;
/// Arguments of a run that its ledger keeps.
pub const RUN_ARGUMENTS_MAX: usize = 32;
/// Attempts that a call outside a row (pool, providers) gets.
pub const PREFLIGHT_ATTEMPTS_MAX: u32 = 5;
/// First back-off of a row after a transient fault, in milliseconds.
pub const BACKOFF_MS_MIN: u64 = 200;
/// Longest back-off of a row, in milliseconds.
pub const BACKOFF_MS_MAX: u64 = 20_000;
/// Waits before each further read of a destination that did not show the link, in milliseconds: `ListUsers` lags.
pub const SETTLE_WAITS_MS: [u64; 4] = [500, 1_500, 3_000, 6_000];
/// Waits before each further read where the service refuses a link that an earlier call of ours may have made, in
/// milliseconds: together longer than `ListUsers` is taken to lag.
pub const SETTLE_LATER_WAITS_MS: [u64; 3] = [12_000, 24_000, 24_000];
/// Different rows in turn that the service may refuse with `NotAuthorizedException` before the run stops.
pub const NOT_AUTHORIZED_ROWS_MAX: usize = 10;

/// A user's change within this time of a link may be the link itself, in milliseconds.
pub const LINK_CHANGE_MS_MAX: i64 = 5_000;
/// Rows of a canary, beyond one for each provider.
pub const CANARY_ROWS_MAX: u64 = 100;
/// After this time `ListUsers` is taken to show every write, in milliseconds.
pub const LIST_LAG_MS_MAX: i64 = 60_000;
/// Longest wait for a connection, in milliseconds.
pub const CONNECT_TIMEOUT_MS: u64 = 3_100;
/// Longest wait for the first byte of an answer, in milliseconds.
pub const READ_TIMEOUT_MS: u64 = 10_000;
/// Longest time for one attempt, connection and answer included, in milliseconds.
pub const ATTEMPT_TIMEOUT_MS: u64 = 15_000;
/// Largest file of trusted certificates that is read, in bytes.
pub const CA_BUNDLE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Largest body of an answer, in bytes. A page of 60 users with every attribute filled in is smaller.
pub const RESPONSE_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Rows whose calls all end in the same fault of the address, before any call was accepted, before the run stops.
pub const SYSTEMIC_ROWS: usize = 5;
/// After the first signal, calls in flight have this long, in milliseconds.
pub const DRAIN_MS_MAX: u64 = 20_000;
/// After a limit of failures, calls in flight and rows in doubt have this long, in milliseconds: a list that lags shows
/// every link by then.
pub const DRAIN_AFTER_FAILURES_MS_MAX: u64 = 120_000;
/// Requests to control a run that are not handled yet.
pub const CONTROL_WAITING_MAX: usize = 16;
/// Connections to the control socket of a run that are answered at a time; further ones wait.
pub const CONTROL_CONNECTIONS_MAX: usize = 16;
/// Longest request or answer on a control socket, in bytes.
pub const CONTROL_LINE_BYTES_MAX: u64 = 64 * 1024;
/// Longest wait for a request, or for an answer, on a control socket, in milliseconds.
pub const CONTROL_ANSWER_MS_MAX: u64 = 5_000;
/// Interval at which the file of `--pause-file` is looked for, in milliseconds.
pub const PAUSE_FILE_INTERVAL_MS: u64 = 250;
/// Longest time between two looks at the schedule of `--window`, in milliseconds: the machine's clock may be set.
pub const WINDOW_INTERVAL_MS: u64 = 10_000;
/// Most windows of a run.
pub const WINDOWS_MAX: usize = 64;
/// Most changes of the schedule of `--window` that an estimate looks ahead: more than ten years of one window a day.
pub const OUTLOOK_CHANGES_MAX: usize = 10_000;
/// Signals that are not handled yet; the second one exits, so there is no need for more.
pub const SIGNALS_WAITING_MAX: usize = 4;

/// The same signal this soon after the first is ignored as its echo, in milliseconds.
pub const SIGNAL_ECHO_MS: u64 = 500;
/// Longest time that a written line waits for its sync, in milliseconds.
pub const SYNC_INTERVAL_MS: u64 = 100;
/// Most lines that wait for a sync.
pub const SYNC_LINES_MAX: usize = 1_000;
/// From this size on, a note is printed before a ledger is read, in bytes.
pub const LEDGER_NOTE_BYTES: u64 = 32 * 1024 * 1024;
/// Longest ledger line, in bytes.
pub const LEDGER_LINE_BYTES_MAX: usize = 64 * 1024;
/// Longest text of the service that is kept, in characters.
pub const SERVICE_TEXT_CHARS_MAX: usize = 1_024;
/// Bytes of a ledger that are read at a time to read one line: most lines have fewer.
pub const LEDGER_LINE_USUAL_BYTES: usize = 1_024;
/// Results that wait in a hash table before they are merged into the rows sorted by key: a table of 13 MB at most.
pub const VIEW_RECENT_ROWS: usize = 400_000;
/// Unlinked rows of which the time is kept before those that every list shows are forgotten.
pub const VIEW_UNLINKED_ROWS: usize = 10_000;
/// Links of which `undo` keeps the identity before those that every list shows are forgotten.
pub const LAST_LINKS: usize = 10_000;
/// Bytes of ledger lines that wait in memory before they are written without a sync.
pub const LEDGER_BUFFER_BYTES: usize = 256 * 1024;
/// Bytes of a ledger that are read at a time.
pub const LEDGER_READ_BYTES: usize = 512 * 1024;
/// Longest single word in a ledger line that comes from outside (request id, error code, column name), in characters.
pub const LEDGER_WORD_CHARS_MAX: usize = 256;
/// Bytes that are read of a file that should hold a head.
pub const HEAD_FILE_BYTES_MAX: u64 = 256;
/// How often a run reads its ledger again because the time of the file's last change is not that of its own last write:
/// on a file system that changes it late, that would be at every sync.
pub const LEDGER_REREADS_MAX: u32 = 20;
/// Copies of a ledger that was pulled away, beside its place; a further one is not made.
pub const RESCUED_MAX: u32 = 100;
/// Largest file beside a ledger's lock that is read, in bytes.
pub const LOCK_FILE_BYTES_MAX: u64 = 256;
/// How much later than its line says an earlier run may have announced a row, by the service's clock, in milliseconds.
pub const ANNOUNCEMENT_WINDOW_MS: i64 = 5_000;
/// How far the service's clock may be from ours before the first answer, in milliseconds.
pub const CLOCK_SKEW_MS_MAX: i64 = 300_000;
/// How far our clock may be from the service's before `doctor` warns, in milliseconds: links of ours
/// are recognized within this time.
pub const CLOCK_DIFFERENCE_MS_MAX: u64 = 5_000;
/// The difference from which on the service refuses signed requests, in milliseconds (AWS Signature Version 4).
pub const CLOCK_DIFFERENCE_REFUSED_MS: u64 = 300_000;
/// Links whose duration `doctor` estimates.
pub const LINK_TIME_LINKS: u64 = 1_000_000;
/// A smaller number of links whose time `doctor` prints as well.
pub const LINK_TIME_LINKS_FEW: u64 = 1_000;
/// Time between two reads of the mappings of providers, in milliseconds: the service allows five a second for a
/// pool, which all its clients share.
pub const MAPPING_SPACING_MS: u64 = 250;
/// Mappings that `doctor` and `validate` read: those of all providers that a pool can have.
pub const MAPPINGS_READ_MAX: u64 = PROVIDERS_PER_POOL_MAX as u64;
/// App clients that the checks of sign-ins read. A pool has up to 1,000.
pub const APP_CLIENTS_READ_MAX: u64 = 100;
pub const APP_CLIENTS_PER_PAGE_MAX: usize = 60;
/// Mappings of providers that a run reads before it asks: about five seconds.
pub const MAPPINGS_READ_BY_RUN_MAX: u64 = 20;
/// App clients that a run reads before it asks.
pub const APP_CLIENTS_READ_BY_RUN_MAX: u64 = 20;
/// Mappings and app clients that are read without that time between them.
pub const SPACED_READS_AFTER: u32 = 3;

/// Time between two reports of progress within a run, in milliseconds.
pub const PROGRESS_INTERVAL_MS: u64 = 100;
/// Drawings of the live line per second, but for short bursts.
pub const LIVE_LINE_HZ: u8 = 10;
/// Columns of a terminal that does not say how many it has.
pub const LIVE_LINE_COLUMNS_DEFAULT: usize = 80;
/// Progress lines, where there is no terminal, are this far apart, in milliseconds.
pub const PROGRESS_LINE_INTERVAL_MS: u64 = 60_000;
/// The shortest interval that `--progress-interval` takes.
pub const PROGRESS_LINE_INTERVAL_MS_MIN: u64 = 1_000;
/// Run time between two versions of the file of `--metrics-file`.
pub const METRICS_FILE_INTERVAL_MS: u64 = 15_000;
/// Readers that `--metrics-listen` serves at a time.
pub const METRICS_READERS_MAX: usize = 8;
/// The longest time that `--metrics-listen` gives a reader.
pub const METRICS_READER_MS_MAX: u64 = 10_000;
/// How long a command of `--on-end` or `--on-stop` may take.
pub const HOOK_MS_MAX: u64 = 60_000;
/// How much of what a hook prints to stderr is read, and how much of that is shown if it fails.
pub const HOOK_STDERR_BYTES_MAX: usize = 4_096;
/// Where there is no terminal, checking the input prints a line after this many rows, and then at each doubling.
pub const CHECKING_LINE_ROWS: u64 = 1_000_000;
/// Where there is no terminal, reading the pool prints a line at its start, after this many users, and at each doubling.
pub const SCANNING_LINE_USERS: u64 = 100_000;
/// A row that has been throttled for longer than this is mentioned in the progress, in milliseconds.
pub const LONG_THROTTLED_ROW_MS: u64 = 60_000;
/// Rows that a text report lists one by one; the rest are counted.
pub const FAILURES_SHOWN_MAX: usize = 50;
/// Missing shards that a text report names.
pub const SHARDS_SHOWN_MAX: usize = 20;
/// Rows that a report holds one by one; the rest are counted, and written to a file on request.
pub const REPORT_FAILURES_MAX: usize = 100_000;
/// Bytes of a JSON result that are written at a time, where it may be longer than memory.
pub const RESULT_BUFFER_BYTES: usize = 64 * 1024;
/// Runs that a text report lists, the latest; the rest are counted.
pub const RUNS_SHOWN_MAX: usize = 20;
/// Changes of one run, such as a pause, that a report lists, the latest; the rest are counted.
pub const RUN_CHANGES_MAX: usize = 100;
/// Rows that the page of `report --html` lists; the rest are counted, and `--csv` has them all.
pub const HTML_ROWS_MAX: usize = 500;
/// Runs that the page of `report --html` describes, the latest; the rest are counted.
pub const HTML_RUNS_MAX: usize = 20;
/// Columns of time in a chart of `report --html`.
pub const CHART_COLUMNS_MAX: usize = 120;
/// Largest file of `report --cloudtrail` once it is decompressed, in bytes.
pub const TRAIL_FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Files below a folder of `report --cloudtrail`.
pub const TRAIL_FILES_MAX: usize = 1_000_000;
/// How far apart the clocks of a run and of CloudTrail may be, in milliseconds.
pub const TRAIL_CLOCK_SKEW_MS: i64 = 60_000;
/// Calls that a comparison with CloudTrail lists; the rest are counted.
pub const TRAIL_CALLS_SHOWN_MAX: usize = 50;
/// Longest answer to a question that is read, in bytes.
pub const ANSWER_BYTES_MAX: usize = 256;

const _: () = {
    assert!(S3_PART_BYTES <= RESPONSE_BODY_BYTES_MAX);
    assert!(RAW_EXCERPT_BYTES < RECORD_BYTES_MAX && RECORD_BYTES_MAX <= 1 << 24);
    assert!(ATTEMPT_TIMEOUT_MS >= READ_TIMEOUT_MS && READ_TIMEOUT_MS > CONNECT_TIMEOUT_MS);
    assert!(DRAIN_MS_MAX >= ATTEMPT_TIMEOUT_MS && DRAIN_MS_MAX <= 25_000);
    assert!(DRAIN_AFTER_FAILURES_MS_MAX > DRAIN_MS_MAX && STOP_RESULTS_MIN <= STOP_WINDOW_ROWS as u64);
    assert!(ANNOUNCED_AHEAD_MAX <= WINDOW_ROWS && CONCURRENCY_MAX <= WINDOW_ROWS);
    assert!(CONCURRENCY_MIN <= CONCURRENCY_MAX);
    assert!(COOL_DOWN_MS_MIN <= COOL_DOWN_MS_MAX && BACKOFF_MS_MIN <= BACKOFF_MS_MAX);
    assert!(LEDGER_LINE_BYTES_MAX >= 6 * SERVICE_TEXT_CHARS_MAX + 4 * ATTRIBUTE_VALUE_CHARS_MAX * 2);
    assert!(LEDGER_BUFFER_BYTES >= LEDGER_LINE_BYTES_MAX && LEDGER_READ_BYTES > LEDGER_LINE_BYTES_MAX + 2);
    assert!(WRITE_SPACING_PER_USER_MS * 10 >= 1_000);
    assert!(FAILURES_SHOWN_MAX <= REPORT_FAILURES_MAX);
    assert!(CLOCK_DIFFERENCE_MS_MAX < CLOCK_DIFFERENCE_REFUSED_MS);
};

/// Profiles that are followed from a role to the profile that it takes its credentials from.
pub const PROFILE_CHAIN_MAX: usize = 16;

/// Calls that one `probe` makes at most, attempts and deletions included.
pub const PROBE_CALLS_MAX: u32 = 200;
/// Calls that it makes where nothing has to be repeated.
pub const PROBE_CALLS_USUAL: u32 = 75;
/// Of the most calls, those that are kept for the deletion of the pools.
pub const PROBE_CALLS_KEPT: u32 = 10;
/// Calls a second of `probe` by default.
pub const PROBE_RATE_PER_SECOND: f64 = 5.0;
/// Longest time that `probe` waits until `ListUsers` shows a link, in milliseconds.
pub const PROBE_LIST_WAIT_MS: u64 = 60_000;
/// Attempts of one call of `probe`, and of the deletion of a pool.
pub const PROBE_ATTEMPTS_MAX: u32 = 4;
/// Pools on one page of `ListUserPools` (service model).
pub const POOLS_PER_PAGE_MAX: usize = 60;
/// Pages of users that `probe` reads at most: its pools have few users.
pub const PROBE_PAGES_MAX: usize = 5;
/// Time within which `ListUsers` is assumed to show a write, in milliseconds.
pub const LIST_LAG_ASSUMED_MS: u64 = 11_000;
/// A `dateCreated` below this is in seconds: in milliseconds it would be a day of 1973.
pub const DATE_IN_SECONDS_BELOW: i64 = 100_000_000_000;
