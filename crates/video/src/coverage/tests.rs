//! Faces whose way is known, lost here and there. In: frames made up. Out: whether the plan covers
//! them.

use super::*;

/// 25 frames a second.
const STEP_MS: u64 = 40;

/// Where a face is at a time; its truth in these tests.
fn face_at(middle: (f32, f32), side: f32) -> BoundingBox {
    let (x, y) = middle;
    BoundingBox::around(Point { x, y }, side, side * 1.2)
}

fn found(bbox: BoundingBox, likeness: Likeness) -> FaceSeen {
    FaceSeen {
        bbox,
        score: 0.8,
        likeness,
    }
}

/// Frames in which a face is where `truth` has it, and is found in those that `is_found` says.
fn film(
    n: usize,
    truth: impl Fn(f32) -> BoundingBox,
    is_found: impl Fn(usize) -> bool,
) -> Vec<FrameSeen> {
    let frame = |n: usize| {
        let time_ms = n as u64 * STEP_MS;
        let face = found(truth(time_ms as f32 / 1000.0), Likeness::Other);
        FrameSeen {
            time_ms,
            scene: 0,
            faces: if is_found(n) { vec![face] } else { Vec::new() },
        }
    };
    (0..n).map(frame).collect()
}

/// How much of a face lies in boxes that are covered. An ellipse through a box's corners is covered
/// in the end.
fn share(cover: &FrameCover, face: &BoundingBox) -> f32 {
    let shares = cover
        .covered
        .iter()
        .map(|c| c.shared_area(face) / face.area());
    shares.fold(0.0, f32::max)
}

/// Knuth's MMIX generator.
fn random(state: &mut u64) -> f32 {
    *state = state
        .wrapping_mul(6364136223846793005)
        .wrapping_add(1442695040888963407);
    (*state >> 40) as f32 / (1u64 << 24) as f32
}

#[test]
fn a_face_that_is_lost_for_half_a_second_is_covered_all_the_time() {
    for seed in 0..200u64 {
        let mut state = seed;
        let mut between = |least: f32, most: f32| least + random(&mut state) * (most - least);
        let side = between(20.0, 160.0);
        let (x, y) = (between(0.0, 600.0), between(0.0, 300.0));
        // Up to a face's side and a half in a second, in any direction, and swaying.
        let (vx, vy) = (between(-1.5, 1.5) * side, between(-0.5, 0.5) * side);
        let (sway, pace) = (between(0.0, 0.3) * side, between(1.0, 4.0));
        let truth = |t: f32| face_at((x + vx * t + sway * (pace * t).sin(), y + vy * t), side);
        // Half a second is lost again and again, at other times each seed; found between for as
        // short as three frames.
        let mut lost = [false; 150];
        let mut at = between(5.0, 20.0) as usize;
        while at + 13 < lost.len() {
            lost[at..at + 13].fill(true);
            at += 13 + between(3.0, 25.0) as usize;
        }
        let frames = film(150, truth, |n| !lost[n]);
        let plan = coverage(&frames, &CoverageOptions::default());
        for (n, cover) in plan.frames.iter().enumerate() {
            let truth = truth(frames[n].time_ms as f32 / 1000.0);
            let share = share(cover, &truth);
            assert!(
                share > 0.7,
                "seed {seed}, frame {n}: {share} of the face covered"
            );
        }
    }
}

#[test]
fn whoever_walks_in_is_covered_before_and_whoever_leaves_after() {
    let truth = |t: f32| face_at((700.0 - 80.0 * t, 100.0), 60.0);
    let frames = film(150, truth, |n| (50..80).contains(&n));
    let plan = coverage(&frames, &CoverageOptions::default());
    for (n, cover) in plan.frames.iter().enumerate() {
        let truth = truth(frames[n].time_ms as f32 / 1000.0);
        let share = share(cover, &truth);
        match n {
            25..=104 => assert!(share > 0.7, "frame {n}: {share}"),
            0..25 | 105.. => assert!(cover.covered.is_empty(), "frame {n}"),
        }
    }
    assert_eq!((plan.n_covered_tracks, plan.n_kept_tracks), (1, 0));
}

#[test]
fn a_cut_ends_the_cover_and_a_flash_does_not() {
    let truth = |_: f32| face_at((200.0, 100.0), 60.0);
    let mut frames = film(150, truth, |n| n < 75);
    for frame in &mut frames[75..] {
        frame.scene = 1;
    }
    let plan = coverage(&frames, &CoverageOptions::default());
    assert!(
        plan.frames[..75]
            .iter()
            .all(|f| share(f, &truth(0.0)) > 0.9)
    );
    assert!(plan.frames[75..].iter().all(|f| f.covered.is_empty()));
    // A bright frame looks like two cuts, and the face is lost from there on for half a second.
    let mut frames = film(150, truth, |n| !(75..88).contains(&n));
    for (n, frame) in frames.iter_mut().enumerate() {
        frame.scene = u64::from(n >= 75) + u64::from(n >= 76);
    }
    let plan = coverage(&frames, &CoverageOptions::default());
    assert!(plan.frames.iter().all(|f| share(f, &truth(0.0)) > 0.9));
}

#[test]
fn somebody_is_kept_only_where_that_is_beyond_doubt() {
    let truth = |t: f32| face_at((100.0 + 20.0 * t, 100.0), 60.0);
    let mut frames = film(150, truth, |n| !(60..70).contains(&n));
    let mut set = |range: std::ops::Range<usize>, likeness: Likeness| {
        for face in frames[range].iter_mut().flat_map(|f| &mut f.faces) {
            face.likeness = likeness;
        }
    };
    set(0..150, Likeness::Same);
    set(20..24, Likeness::Unclear);
    set(30..32, Likeness::Unsure);
    // Somebody else passes just there.
    set(110..111, Likeness::Other);
    let plan = coverage(&frames, &CoverageOptions::default());
    let is_kept = |n: usize| !plan.frames[n].kept.is_empty();
    let is_covered = |n: usize| share(&plan.frames[n], &truth(n as f32 * 0.04)) > 0.7;
    for n in 0..150 {
        let wanted = match n {
            20..24 => false,
            60..70 => false,
            // Half a second around.
            98..=122 => false,
            _ => true,
        };
        assert_eq!((is_kept(n), is_covered(n)), (wanted, !wanted), "frame {n}");
    }
    assert_eq!((plan.n_covered_tracks, plan.n_kept_tracks), (0, 1));
}

#[test]
fn one_like_frame_keeps_no_stranger() {
    let truth = |_: f32| face_at((100.0, 100.0), 60.0);
    for likely in [&[40][..], &[40, 41], &[40, 80, 120]] {
        let mut frames = film(150, truth, |_| true);
        for n in likely {
            frames[*n].faces[0].likeness = Likeness::Same;
        }
        let plan = coverage(&frames, &CoverageOptions::default());
        assert!(plan.frames.iter().all(|f| f.kept.is_empty()), "{likely:?}");
    }
    // Nor in a clip of two frames, where nothing around says otherwise.
    let mut frames = film(2, truth, |_| true);
    for frame in &mut frames {
        frame.faces[0].likeness = Likeness::Same;
    }
    let plan = coverage(&frames, &CoverageOptions::default());
    assert!(plan.frames.iter().all(|f| f.kept.is_empty()));
}

#[test]
fn weak_boxes_count_where_they_come_again() {
    let truth = |_: f32| face_at((100.0, 100.0), 60.0);
    let weak = |frames: &mut Vec<FrameSeen>| {
        for face in frames.iter_mut().flat_map(|f| &mut f.faces) {
            face.score = 0.22;
        }
    };
    let mut once = film(100, truth, |n| n == 50 || n == 51);
    weak(&mut once);
    let plan = coverage(&once, &CoverageOptions::default());
    assert!(plan.frames.iter().all(|f| f.covered.is_empty()));
    let mut often = film(100, truth, |n| n >= 50 && n % 5 == 0);
    weak(&mut often);
    let plan = coverage(&often, &CoverageOptions::default());
    assert!(
        plan.frames[30..]
            .iter()
            .all(|f| share(f, &truth(0.0)) > 0.9)
    );
}

#[test]
fn no_frame_or_no_face_is_nothing_to_cover() {
    let options = CoverageOptions::default();
    assert_eq!(coverage(&[], &options), Coverage::default());
    let truth = |_: f32| face_at((100.0, 100.0), 60.0);
    let plan = coverage(&film(1, truth, |_| false), &options);
    assert_eq!(plan.frames, [FrameCover::default()]);
    let plan = coverage(&film(1, truth, |_| true), &options);
    assert_eq!(plan.frames[0].covered, [truth(0.0)]);
}

#[test]
fn frames_that_are_seconds_apart_are_bridged_as_those_of_a_film() {
    // As a recorded screen or a camera at night has them: even, or a burst and then one a while.
    for apart_ms in [[3000, 3000], [40, 5000]] {
        let mut frames = film(9, |_| face_at((200.0, 150.0), 60.0), |n| n != 4 && n != 8);
        let mut time_ms = 0;
        for (n, frame) in frames.iter_mut().enumerate() {
            frame.time_ms = time_ms;
            time_ms += apart_ms[n % 2];
        }
        let plan = coverage(&frames, &CoverageOptions::default());
        for (n, frame) in plan.frames.iter().enumerate() {
            let covered = share(frame, &face_at((200.0, 150.0), 60.0));
            assert!(covered > 0.99, "frame {n} of {apart_ms:?}: {covered}");
        }
    }
}

#[test]
fn frames_that_are_seconds_apart_do_not_agree_about_whom_to_keep() {
    let mut frames = film(9, |_| face_at((200.0, 150.0), 60.0), |_| true);
    for frame in &mut frames {
        for face in &mut frame.faces {
            face.likeness = Likeness::Same;
        }
    }
    let kept = |frames: &[FrameSeen]| coverage(frames, &CoverageOptions::default()).n_kept_tracks;
    assert_eq!(kept(&frames), 1);
    for (n, frame) in frames.iter_mut().enumerate() {
        frame.time_ms = n as u64 * 3000;
    }
    assert_eq!(kept(&frames), 0);
}
