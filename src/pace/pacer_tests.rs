use super::*;
use crate::clock::{sleep, sleep_until};
use crate::limits::WRITE_QUOTA_PER_SECOND;
use crate::pace::settings::QuotaOrigin;

/// Takes slots for `seconds`, each `late` after it was due; returns the times since the start.
async fn taken(rate: f64, seconds: u64, late: Duration) -> Vec<Duration> {
    let clock = Clock::starting_at(0);
    let mut pacer = CallPacer::new(clock, Pace::at(rate));
    let mut times = Vec::new();
    while clock.elapsed() < Duration::from_secs(seconds) {
        match pacer.admit_call() {
            Admission::Admitted(_) => times.push(clock.elapsed()),
            Admission::NotBefore(until) | Admission::CoolingDown(until) => sleep_until(until + late).await,
        }
    }
    times
}

fn most_in_a_second(times: &[Duration]) -> usize {
    let within = |(index, from): (usize, &Duration)| {
        times.partition_point(|time| *time < *from + Duration::from_secs(1)) - index
    };
    times.iter().enumerate().map(within).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn the_pace_is_met_and_never_passed() {
    for rate in [0.5, 1.0, 20.0, 25.0, 333.0] {
        let times = taken(rate, 60, Duration::ZERO).await;
        let wanted = rate * 60.0;
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let count = times.len() as f64;
        assert!((wanted * 0.97..=wanted + 2.0).contains(&count), "{rate}/s: {count} in 60 s");
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let busiest = most_in_a_second(&times) as f64;
        assert!(busiest <= rate + f64::from(RATE_BURST_CALLS), "{rate}/s: {busiest} in one second");
    }
}

#[tokio::test(start_paused = true)]
async fn late_timers_cost_no_throughput() {
    let times = taken(25.0, 60, Duration::from_millis(9)).await;
    assert!(times.len() >= 1_490, "{}", times.len());
    assert!(most_in_a_second(&times) <= 27);
}

#[tokio::test(start_paused = true)]
async fn coarse_timers_cost_no_throughput_at_a_fast_pace() {
    for rate in [1_000.0, 5_000.0] {
        let times = taken(rate, 5, Duration::from_millis(2)).await;
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let count = times.len() as f64;
        assert!((rate * 4.9..=rate * 5.0 + 30.0).contains(&count), "{rate}/s: {count} in 5 s");
    }
}

#[tokio::test(start_paused = true)]
async fn idle_time_is_not_saved_up() {
    let clock = Clock::starting_at(0);
    let mut pacer = CallPacer::new(clock, Pace::at(10.0));
    sleep(Duration::from_secs(100)).await;
    let at_once = (0..50).filter(|_| matches!(pacer.admit_call(), Admission::Admitted(_))).count();
    assert!(at_once <= RATE_BURST_CALLS as usize, "{at_once}");
}

/// Waits for the next slot and takes it.
async fn next(pacer: &mut CallPacer) -> AdmittedCall {
    loop {
        match pacer.admit_call() {
            Admission::Admitted(sent) => return sent,
            Admission::NotBefore(until) | Admission::CoolingDown(until) => sleep_until(until).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_pace_a_throttle_pauses_everybody() {
    let clock = Clock::starting_at(0);
    let mut pacer = CallPacer::new(clock, Pace::unbounded());
    let sent = next(&mut pacer).await;
    let pause = pacer.record_feedback(sent, CallFeedback::Throttled, None).unwrap();
    assert_eq!(pacer.admit_call(), Admission::CoolingDown(clock.now() + pause));
    sleep(pause).await;
    assert!(matches!(pacer.admit_call(), Admission::Admitted(_)));
    assert_eq!(pacer.measured_quota(), None);
}

#[tokio::test(start_paused = true)]
async fn a_throttle_makes_the_pace_slower_and_not_slower_than_it_must() {
    let clock = Clock::starting_at(0);
    let mut pacer = CallPacer::new(clock, Pace::at(20.0));
    for _ in 0..40 {
        let sent = next(&mut pacer).await;
        assert_eq!(pacer.record_feedback(sent, CallFeedback::Accepted, None), None);
    }
    let sent = next(&mut pacer).await;
    let wait = pacer.record_feedback(sent, CallFeedback::Throttled, None).unwrap();
    assert!(wait < Duration::from_millis(60), "{wait:?}");
    assert!((pacer.per_second() - 19.6).abs() < 0.01, "{}", pacer.per_second());
    assert_eq!(pacer.measured_quota(), Some(20.0));
    sleep(Duration::from_secs(30)).await;
    assert!(pacer.per_second() > 19.9, "{}", pacer.per_second());
}

#[tokio::test(start_paused = true)]
async fn the_service_is_heard_within_the_bound() {
    for (asked, waited) in [(3, 3_000), (3_600, COOL_DOWN_MS_MAX)] {
        let clock = Clock::starting_at(0);
        let mut pacer = CallPacer::new(clock, Pace::at(20.0));
        let sent = next(&mut pacer).await;
        let pause = pacer.record_feedback(sent, CallFeedback::Throttled, Some(Duration::from_secs(asked)));
        assert_eq!(pause, Some(Duration::from_millis(waited)));
        assert!(matches!(pacer.admit_call(), Admission::CoolingDown(_)));
        next(&mut pacer).await;
        assert_eq!(clock.elapsed().as_millis(), u128::from(waited));
        let at_once = (0..10).filter(|_| matches!(pacer.admit_call(), Admission::Admitted(_))).count();
        assert_eq!(at_once, 0, "slots that were missed in a pause are not made up");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_reached_is_asked_less_and_less_often() {
    let clock = Clock::starting_at(0);
    let mut pacer = CallPacer::new(clock, Pace::at(20.0));
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let sent = next(&mut pacer).await;
        pauses.push(pacer.record_feedback(sent, CallFeedback::Unreached, None).map(|pause| pause.as_millis()));
    }
    assert_eq!(pauses, [Some(250), Some(500), Some(1_000), Some(2_000)]);
    assert!((pacer.per_second() - 20.0).abs() < 0.01, "it says nothing about the quota");
    assert!(pacer.stuck_for().is_some());
    let sent = next(&mut pacer).await;
    pacer.record_feedback(sent, CallFeedback::Accepted, None);
    assert_eq!(pacer.stuck_for(), None);
}

#[tokio::test(start_paused = true)]
async fn stuck_is_only_who_cannot_go_any_slower() {
    let clock = Clock::starting_at(0);
    let mut pacer = CallPacer::new(clock, Pace::at(20.0));
    while pacer.stuck_for().is_none_or(|stuck| stuck < Duration::from_mins(1)) {
        let sent = next(&mut pacer).await;
        sleep(Duration::from_millis(20)).await;
        pacer.record_feedback(sent, CallFeedback::Throttled, None);
        assert!(clock.elapsed() < Duration::from_secs(100), "never stuck");
    }
    assert!(pacer.per_second() <= RATE_PER_SECOND_MIN * 1.01);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_is_asked_half_as_often() {
    let clock = Clock::starting_at(0);
    let mut pacer = CallPacer::new(clock, Pace::at(20.0));
    for call in 0..40 {
        let sent = next(&mut pacer).await;
        let verdict = if call % 5 == 4 { CallFeedback::Faulted } else { CallFeedback::Accepted };
        assert_eq!(pacer.record_feedback(sent, verdict, None), None, "it pauses nobody");
    }
    assert!((8.0..11.0).contains(&pacer.per_second()), "{}", pacer.per_second());
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_changes_is_kept_to() {
    let clock = Clock::starting_at(0);
    let limit = |per_second| RateQuota { per_second, origin: QuotaOrigin::Provisioned, share: 0.8, machines: 1 };
    let mut pacer = CallPacer::new(clock, Pace::within(limit(WRITE_QUOTA_PER_SECOND), None));
    assert!((pacer.per_second() - 20.0).abs() < 1e-9);
    for (per_second, pace) in [(50.0, 40.0), (50.0, 40.0), (10.0, 8.0)] {
        pacer.set_quota(limit(per_second));
        assert!((pacer.per_second() - pace).abs() < 1e-9, "{}", pacer.per_second());
        let from = clock.elapsed();
        for _ in 0..80 {
            next(&mut pacer).await;
        }
        let took = clock.elapsed().as_secs_f64() - from.as_secs_f64();
        assert!((80.0 / pace - 0.5..80.0 / pace + 0.5).contains(&took), "{took}");
    }
}

/// Every call is made as soon as it is allowed, and some timers are late. The rate changes all the time.
#[tokio::test(start_paused = true)]
async fn a_new_rate_hands_out_no_burst_and_keeps_the_last_slot() {
    for seed in 0..20 {
        let mut rng = crate::seed::Rng::new(seed);
        let (start, mut now) = (Instant::now(), Instant::now());
        let mut spacing = CallSpacing::default();
        let (mut times, mut rate) = (Vec::new(), 20.0);
        while now < start + Duration::from_mins(1) {
            if rng.chance(0.3) {
                rate = 0.5 + 49.5 * rng.unit();
            }
            let last_slot = spacing.last_slot;
            let wait = Duration::from_secs_f64(1.0 / rate);
            if let Err(due) = spacing.take_slot(now, rate) {
                assert!(due > now && due <= last_slot.unwrap() + wait + Duration::from_nanos(2), "seed {seed}");
                let late = if rng.chance(0.2) { rng.below(30_000) } else { rng.below(1_000) };
                now = due + Duration::from_micros(late);
            } else {
                assert!(last_slot.is_none_or(|last| now + Duration::from_nanos(2) >= last + wait), "seed {seed}");
                times.push(now - start);
            }
        }
        assert!(most_in_a_second(&times) <= 52, "seed {seed}: {} in one second", most_in_a_second(&times));
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_call_and_a_new_rate_are_followed_by_a_whole_interval() {
    let now = Instant::now();
    let mut spacing = CallSpacing::default();
    assert_eq!(spacing.take_slot(now, 4.0), Ok(()));
    for (rate, interval_ms) in [(4.0, 250), (1_000.0, 1), (0.2, 5_000), (2.5, 400)] {
        assert_eq!(spacing.take_slot(now, rate), Err(now + Duration::from_millis(interval_ms)), "{rate}/s");
    }
    assert_eq!(spacing.take_slot(now + Duration::from_millis(400), 2.5), Ok(()));
}
