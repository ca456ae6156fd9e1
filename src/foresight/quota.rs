//! Reads the write quota of the account before a run, and again during it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::{Clock, sleep, timeout_at};
use crate::limits::{LIMIT_READ_INTERVAL_MS, LIMIT_READ_MS_MAX, RATE_PER_SECOND_MAX};
use crate::pace::{QuotaOrigin, RateQuota};
use crate::service::{PortFuture, QuotaReader};

/// Reads the write quota, and takes `assumed` if it cannot be read. A quota that cannot be read never stops a run.
pub async fn limit(reader: &dyn QuotaReader, assumed: RateQuota, clock: Clock) -> RateQuota {
    read(reader, assumed, clock).await.unwrap_or(assumed)
}

/// Reads the quota again every [`LIMIT_READ_INTERVAL_MS`] and sends it, until the receiver is closed.
pub async fn keep_asking(
    reader: Arc<dyn QuotaReader>,
    assumed: RateQuota,
    clock: Clock,
    listener: mpsc::Sender<RateQuota>,
) {
    loop {
        tokio::select! {
            () = sleep(Duration::from_millis(LIMIT_READ_INTERVAL_MS)) => {}
            () = listener.closed() => return,
        }
        let Some(limit) = read(reader.as_ref(), assumed, clock).await else { continue };
        if listener.send(limit).await.is_err() {
            return;
        }
    }
}

async fn read(reader: &dyn QuotaReader, assumed: RateQuota, clock: Clock) -> Option<RateQuota> {
    if let Some(per_second) = figure(reader.provisioned_limit(), clock, "GetProvisionedLimit").await {
        return Some(RateQuota { per_second, origin: QuotaOrigin::Provisioned, ..assumed });
    }
    let per_second = figure(reader.quota(), clock, "GetServiceQuota").await?;
    Some(RateQuota { per_second, origin: QuotaOrigin::ServiceQuotas, ..assumed })
}

async fn figure(call: PortFuture<'_, f64>, clock: Clock, operation: &str) -> Option<f64> {
    let deadline = clock.now() + Duration::from_millis(LIMIT_READ_MS_MAX);
    let reason = match timeout_at(deadline, call).await {
        Ok(Ok(answer)) if answer.value > 0.0 && answer.value <= RATE_PER_SECOND_MAX => return Some(answer.value),
        Ok(Ok(_)) => "not a valid number".to_owned(),
        Ok(Err(fault)) => fault.code().to_owned(),
        Err(_) => "no answer in time".to_owned(),
    };
    tracing::debug!(operation, reason, "the quota was not read");
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Answer, AnswerMeta, CallFault};

    /// An account that denies what is `None`.
    struct Account {
        provisioned: Option<f64>,
        quota: Option<f64>,
    }

    fn answer(value: Option<f64>) -> PortFuture<'static, f64> {
        let refused = CallFault::Answered {
            status: 400,
            code: "AccessDeniedException".to_owned(),
            message: String::new(),
            retry_after: None,
            meta: AnswerMeta::default(),
        };
        Box::pin(async move { value.map(|value| Answer { value, meta: AnswerMeta::default() }).ok_or(refused) })
    }

    impl QuotaReader for Account {
        fn provisioned_limit(&self) -> PortFuture<'_, f64> {
            answer(self.provisioned)
        }

        fn quota(&self) -> PortFuture<'_, f64> {
            answer(self.quota)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_figure_that_can_be_read_counts() {
        let clock = Clock::starting_at(0);
        for (provisioned, quota, per_second, origin) in [
            (Some(50.0), Some(30.0), 50.0, QuotaOrigin::Provisioned),
            (None, Some(30.0), 30.0, QuotaOrigin::ServiceQuotas),
            (Some(0.0), Some(30.0), 30.0, QuotaOrigin::ServiceQuotas),
            (Some(f64::NAN), Some(f64::INFINITY), 25.0, QuotaOrigin::Assumed),
            (None, None, 25.0, QuotaOrigin::Assumed),
        ] {
            let account = Account { provisioned, quota };
            let found = limit(&account, RateQuota::assumed(0.8, 1), clock).await;
            assert_eq!(found, RateQuota { per_second, origin, share: 0.8, machines: 1 });
        }
    }

    struct Silent;

    impl QuotaReader for Silent {
        fn provisioned_limit(&self) -> PortFuture<'_, f64> {
            Box::pin(std::future::pending())
        }

        fn quota(&self) -> PortFuture<'_, f64> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_does_not_answer_is_not_waited_for() {
        let clock = Clock::starting_at(0);
        assert_eq!(limit(&Silent, RateQuota::assumed(0.5, 2), clock).await, RateQuota::assumed(0.5, 2));
        assert_eq!(clock.elapsed(), Duration::from_millis(2 * LIMIT_READ_MS_MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn the_quota_is_read_again_until_the_receiver_is_closed() {
        let clock = Clock::starting_at(0);
        let (sender, mut limits) = mpsc::channel(1);
        let account = Arc::new(Account { provisioned: Some(40.0), quota: None });
        let asking = tokio::spawn(keep_asking(account, RateQuota::assumed(0.8, 1), clock, sender));
        for round in 1..=3 {
            let limit = limits.recv().await.unwrap();
            assert!((limit.ceiling() - 32.0).abs() < 1e-9);
            assert_eq!(clock.elapsed(), Duration::from_millis(round * LIMIT_READ_INTERVAL_MS));
        }
        drop(limits);
        asking.await.unwrap();
    }
}
