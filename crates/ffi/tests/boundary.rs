//! What C can get wrong. In: calls as C makes them, right and wrong. Out: codes, and no crash.

use std::ffi::{CStr, CString, c_char, c_void};
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr::{null, null_mut};

use fusiform::{AnalyseOptions, Engine};
use fusiform_ffi::*;

fn path(name: &str) -> CString {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fusiform/tests/data");
    CString::new(root.join(name).to_str().unwrap()).unwrap()
}

fn empty_error() -> FusiformError {
    FusiformError {
        code: FusiformCode::Ok,
        message: [0; FUSIFORM_MESSAGE_BYTES],
    }
}

fn said(error: &FusiformError) -> String {
    // SAFETY: the message ends with a zero, as it was made or filled.
    let text = unsafe { CStr::from_ptr(error.message.as_ptr()) };
    text.to_str().unwrap().to_owned()
}

/// The value that a call writes, or its code and message.
fn call<T>(
    work: impl FnOnce(*mut T, *mut FusiformError) -> FusiformCode,
) -> Result<T, (FusiformCode, String)> {
    let (mut value, mut error) = (MaybeUninit::uninit(), empty_error());
    match work(value.as_mut_ptr(), &mut error) {
        // SAFETY: a call that is done has written its answer.
        FusiformCode::Ok => Ok(unsafe { value.assume_init() }),
        code => {
            assert_eq!(code, error.code);
            Err((code, said(&error)))
        }
    }
}

macro_rules! c {
    ($function:ident, $($argument:expr),*) => {
        // SAFETY: the test hands over what each case is about; pointers that are not NULL are good.
        call(|out, error| unsafe { $function($($argument,)* out, error) })
    };
}

fn engine() -> FusiformEngine {
    c!(fusiform_engine_open_builtin,).unwrap()
}

fn photo(engine: FusiformEngine, name: &str) -> FusiformPhoto {
    c!(fusiform_analyse_file, engine, path(name).as_ptr(), null()).unwrap()
}

#[test]
fn faces_are_those_of_the_library_to_the_bit() {
    let engine = engine();
    let handle = photo(engine, "party.jpg");
    let wanted = Engine::builtin()
        .unwrap()
        .analyse_file(path("party.jpg").to_str().unwrap());
    let wanted = wanted.unwrap();
    let info: FusiformPhotoInfo = c!(fusiform_photo_info, handle).unwrap();
    assert_eq!(
        (info.width_px, info.height_px),
        (wanted.width_px, wanted.height_px)
    );
    assert_eq!(info.n_faces, wanted.faces.len());
    let n: usize = c!(fusiform_engine_dimensions, engine).unwrap();
    for (at, face) in wanted.faces.iter().enumerate() {
        let found: FusiformFace = c!(fusiform_photo_face, handle, at).unwrap();
        assert_eq!(found, face.into());
        let mut vector = vec![0.0; n];
        // SAFETY: room for as many numbers as is said.
        let code =
            unsafe { fusiform_photo_template(handle, at, vector.as_mut_ptr(), n, null_mut()) };
        assert_eq!(code, FusiformCode::Ok);
        assert_eq!(vector, face.template().unwrap().vector);
    }
    let missing = c!(fusiform_photo_face, handle, info.n_faces).unwrap_err();
    assert_eq!(missing.0, FusiformCode::NotFound);
    let mut small = [0.0; 3];
    // SAFETY: room for as many numbers as is said.
    let code = unsafe { fusiform_photo_template(handle, 0, small.as_mut_ptr(), 3, null_mut()) };
    assert_eq!((code, small), (FusiformCode::BadOption, [0.0; 3]));
}

#[test]
fn handles_that_are_none_are_errors_and_nothing_worse() {
    let engine = engine();
    let handle = photo(engine, "ida.jpg");
    // SAFETY: no pointer but NULL for the error.
    unsafe {
        assert_eq!(fusiform_photo_close(handle, null_mut()), FusiformCode::Ok);
        assert_eq!(
            fusiform_photo_close(handle, null_mut()),
            FusiformCode::BadHandle
        );
        // A handle of another kind closes nothing.
        let as_photo = FusiformPhoto { id: engine.id };
        assert_eq!(
            fusiform_photo_close(as_photo, null_mut()),
            FusiformCode::BadHandle
        );
    }
    assert!(c!(fusiform_engine_dimensions, engine).is_ok_and(|n: usize| n == 128));
    for (id, why) in [
        (0, "none"),
        (u64::MAX, "never was one"),
        (handle.id, "closed"),
    ] {
        let error = c!(fusiform_photo_info, FusiformPhoto { id }).unwrap_err();
        assert_eq!(error.0, FusiformCode::BadHandle);
        assert!(error.1.contains(why), "{error:?}");
    }
    // The photo outlives the engine that made it.
    let handle = photo(engine, "ida.jpg");
    // SAFETY: no pointer but NULL for the error.
    let code = unsafe { fusiform_engine_close(engine, null_mut()) };
    assert_eq!(code, FusiformCode::Ok);
    assert_eq!(c!(fusiform_photo_info, handle).unwrap().n_faces, 1);
}

#[test]
fn pointers_that_cannot_be_right_are_named() {
    let engine = engine();
    let error = c!(fusiform_analyse_file, engine, null(), null()).unwrap_err();
    assert_eq!(error, (FusiformCode::BadOption, "path is NULL".into()));
    let no_text = CString::new(vec![b'a', 0xff]).unwrap();
    let error = c!(fusiform_analyse_file, engine, no_text.as_ptr(), null()).unwrap_err();
    assert_eq!(error, (FusiformCode::BadOption, "path is not UTF-8".into()));
    let error = c!(fusiform_analyse_bytes, engine, null(), 7, null()).unwrap_err();
    assert_eq!(error.1, "bytes is NULL");
    let byte = 0u8;
    let error = c!(fusiform_analyse_bytes, engine, &byte, usize::MAX, null()).unwrap_err();
    assert!(error.1.contains("more than any memory"), "{error:?}");
    let error = c!(fusiform_analyse_bytes, engine, null(), 0, null()).unwrap_err();
    assert_eq!(error.0, FusiformCode::NotAPhoto);

    let mut code = empty_error();
    let mut memory = [0u64; 8];
    // SAFETY: the pointer is into memory of this test, one byte off, and refused for that.
    let misaligned = unsafe { memory.as_mut_ptr().cast::<u8>().add(1) };
    let handle = photo(engine, "ida.jpg");
    // SAFETY: as above.
    unsafe {
        assert_eq!(
            fusiform_photo_info(handle, misaligned.cast(), &mut code),
            FusiformCode::BadOption
        );
        assert_eq!(said(&code), "info is not aligned to 8 bytes");
        assert_eq!(
            fusiform_photo_info(handle, null_mut(), null_mut()),
            FusiformCode::BadOption
        );
        // An error that nothing can be written into is left alone.
        assert_eq!(
            fusiform_photo_info(handle, null_mut(), misaligned.cast()),
            FusiformCode::BadOption
        );
        assert_eq!(
            fusiform_engine_open_builtin(null_mut(), null_mut()),
            FusiformCode::BadOption
        );
    }
    assert_eq!(memory, [0; 8]);
}

fn frame(format: u32, width_px: u32, height_px: u32, planes: &[(&[u8], usize)]) -> FusiformFrame {
    let mut frame = FusiformFrame {
        format,
        width_px,
        height_px,
        rotation_deg: 0,
        yuv: FUSIFORM_YUV_BT601_FULL,
        planes: [FusiformPlane {
            bytes: null(),
            n_bytes: 0,
            stride_bytes: 0,
        }; 3],
    };
    for (to, (bytes, stride_bytes)) in frame.planes.iter_mut().zip(planes) {
        *to = FusiformPlane {
            bytes: bytes.as_ptr(),
            n_bytes: bytes.len(),
            stride_bytes: *stride_bytes,
        };
    }
    frame
}

#[test]
fn frames_of_cameras_have_the_faces_of_their_pictures() {
    let plain = Engine::builtin().unwrap();
    let image = plain
        .decode_file(path("ida.jpg").to_str().unwrap())
        .unwrap()
        .image;
    let (width, height) = (image.width(), image.height());
    let wanted = plain
        .analyse_image(&image, &AnalyseOptions::default())
        .unwrap();
    let engine = engine();
    let analysed = |frame: FusiformFrame| -> FusiformPhoto {
        c!(fusiform_analyse_frame, engine, &frame, null()).unwrap()
    };
    let first = |handle| -> FusiformFace { c!(fusiform_photo_face, handle, 0).unwrap() };

    let row = width as usize * 3;
    let bgr: Vec<u8> = image
        .rgb()
        .chunks(3)
        .flat_map(|p| [p[2], p[1], p[0]])
        .collect();
    let padded: Vec<u8> = bgr
        .chunks(row)
        .flat_map(|r| [r, &[7; 5]].concat())
        .collect();
    let by_bgr = analysed(frame(
        FUSIFORM_FORMAT_BGR,
        width,
        height,
        &[(&padded, row + 5)],
    ));
    assert_eq!(first(by_bgr), (&wanted.faces[0]).into());

    // The picture lies on its side: its first column is the last row, bottom up.
    let turned = fusiform::Orientation::RotatedRight.upright(image.clone());
    let mut on_side = frame(
        FUSIFORM_FORMAT_RGB,
        height,
        width,
        &[(turned.rgb(), height as usize * 3)],
    );
    on_side.rotation_deg = 90;
    assert_eq!(first(analysed(on_side)), (&wanted.faces[0]).into());

    // Luma and halved chroma, as JPEG and cameras have them: nearly the same picture.
    let (half_width, half_height) = (width.div_ceil(2) as usize, height.div_ceil(2) as usize);
    let yuv = |p: [u8; 3]| {
        let [r, g, b] = p.map(f32::from);
        let y = 0.299 * r + 0.587 * g + 0.114 * b;
        let round = |v: f32| v.round().clamp(0.0, 255.0) as u8;
        [
            round(y),
            round(128.0 + (b - y) / 1.772),
            round(128.0 + (r - y) / 1.402),
        ]
    };
    let luma: Vec<u8> = image
        .rgb()
        .as_chunks()
        .0
        .iter()
        .map(|&p| yuv(p)[0])
        .collect();
    let at = |x: usize, y: usize| {
        let (x, y) = (2 * x as u32, 2 * y as u32);
        yuv(image.pixel(x.min(width - 1), y.min(height - 1)))
    };
    let chroma: Vec<[u8; 3]> = (0..half_height)
        .flat_map(|y| (0..half_width).map(move |x| (x, y)))
        .map(|(x, y)| at(x, y))
        .collect();
    let cb: Vec<u8> = chroma.iter().map(|c| c[1]).collect();
    let cr: Vec<u8> = chroma.iter().map(|c| c[2]).collect();
    let pairs: Vec<u8> = chroma.iter().flat_map(|c| [c[1], c[2]]).collect();
    let swapped: Vec<u8> = chroma.iter().flat_map(|c| [c[2], c[1]]).collect();
    let luma = (&luma[..], width as usize);
    let nv12 = [luma, (&pairs, 2 * half_width)];
    let nv21 = [luma, (&swapped, 2 * half_width)];
    let i420 = [luma, (&cb[..], half_width), (&cr[..], half_width)];
    let portrait = photo(engine, "ida.jpg");
    let mut found = Vec::new();
    for (format, planes) in [
        (FUSIFORM_FORMAT_NV12, &nv12[..]),
        (FUSIFORM_FORMAT_NV21, &nv21),
        (FUSIFORM_FORMAT_I420, &i420),
    ] {
        let handle = analysed(frame(format, width, height, planes));
        let similarity = c!(fusiform_compare, handle, 0, portrait, 0).unwrap();
        assert!(similarity > 0.9f32, "{format}: {similarity}");
        found.push(first(handle));
    }
    assert!(found[0] == found[1] && found[1] == found[2]);

    // Too short by one byte, in each plane.
    for plane in 0..3 {
        let mut short = frame(FUSIFORM_FORMAT_I420, width, height, &i420);
        short.planes[plane].n_bytes -= 1;
        let error = c!(fusiform_analyse_frame, engine, &short, null()).unwrap_err();
        assert_eq!(error.0, FusiformCode::BadOption, "{error:?}");
    }
    for (change, why) in [
        ((|f| f.format = 99) as fn(&mut FusiformFrame), "format = 99"),
        (|f| f.yuv = 9, "yuv = 9"),
        (|f| f.rotation_deg = 45, "rotation_deg"),
        (|f| f.rotation_deg = 65_536 + 90, "rotation_deg = 65626"),
        (|f| f.planes[0].stride_bytes = 1, "stride_bytes"),
        (|f| f.planes[0].bytes = null(), "bytes of a plane is NULL"),
        (|f| f.width_px = 0, "0x"),
        (|f| f.width_px = u32::MAX, "4294967295"),
    ] {
        let mut wrong = frame(FUSIFORM_FORMAT_BGR, width, height, &[(&padded, row + 5)]);
        change(&mut wrong);
        let error = c!(fusiform_analyse_frame, engine, &wrong, null()).unwrap_err();
        assert!(error.1.contains(why), "{error:?}");
    }
}

#[test]
fn packs_come_from_memory_and_folders() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fusiform/packs/base");
    let manifest = std::fs::read_to_string(folder.join("manifest.toml")).unwrap();
    let manifest = CString::new(manifest).unwrap();
    let held: Vec<(CString, Vec<u8>)> = ["detector.onnx", "landmarks.onnx", "embedder.onnx"]
        .map(|name| {
            (
                CString::new(name).unwrap(),
                std::fs::read(folder.join(name)).unwrap(),
            )
        })
        .into();
    let file = |(name, bytes): &(CString, Vec<u8>)| FusiformPackFile {
        name: name.as_ptr(),
        bytes: bytes.as_ptr(),
        n_bytes: bytes.len(),
    };
    let files: Vec<_> = held.iter().map(file).collect();
    let open = |n_files| -> Result<FusiformEngine, _> {
        c!(
            fusiform_engine_open_memory,
            manifest.as_ptr(),
            files.as_ptr(),
            n_files
        )
    };
    let from_memory = open(3).unwrap();
    assert_eq!(open(2).unwrap_err().0, FusiformCode::BadManifest);
    let folder = CString::new(folder.to_str().unwrap()).unwrap();
    let from_folder = c!(fusiform_engine_open_folder, folder.as_ptr()).unwrap();
    let (one, other) = (photo(from_memory, "ida.jpg"), photo(from_folder, "ida.jpg"));
    let answer: FusiformVerification = c!(fusiform_verify, from_folder, one, 0, other, 0).unwrap();
    assert_eq!(answer.verdict, FusiformVerdict::Same);
    assert!(answer.similarity > 0.999 && answer.same_at.fmr == 1e-3);
    let threshold = c!(fusiform_engine_threshold, from_folder, 1e-3).unwrap();
    assert_eq!(threshold, answer.same_at);
    let error = c!(fusiform_engine_threshold, from_folder, 1e-9).unwrap_err();
    assert_eq!(error.0, FusiformCode::Uncalibrated);
}

#[test]
fn people_are_enrolled_identified_and_erased() {
    let dir = tempfile::tempdir().unwrap();
    let file = CString::new(dir.path().join("people.db").to_str().unwrap()).unwrap();
    let engine = engine();
    let people: FusiformGallery = c!(fusiform_gallery_open, file.as_ptr(), engine).unwrap();
    let ida = photo(engine, "ida.jpg");
    let name = CString::new("Idä").unwrap();
    let enrol = |consent: *const FusiformConsent| {
        let mut error = empty_error();
        // SAFETY: good pointers, or NULL for no consent.
        let code =
            unsafe { fusiform_gallery_enrol(people, name.as_ptr(), ida, 0, consent, &mut error) };
        (code, said(&error))
    };
    let mut consent = FusiformConsent {
        basis: c"consent".as_ptr(),
        purpose: c"a test".as_ptr(),
        expires_at_ms: 1_000_000_000_000,
    };
    assert_eq!(enrol(&consent).0, FusiformCode::Refused);
    consent.expires_at_ms = 4_000_000_000_000;
    assert_eq!(enrol(&consent).0, FusiformCode::Ok);
    consent.basis = null();
    let error = enrol(&consent);
    assert_eq!(
        error,
        (
            FusiformCode::BadOption,
            "basis of the consent is NULL".into()
        )
    );
    assert_eq!(enrol(null()).0, FusiformCode::Ok);

    let identify = |capacity: usize| {
        let mut text = [0x55 as c_char; 8];
        let found: FusiformIdentification = call(|out, error| {
            // SAFETY: room for as many bytes as is said.
            unsafe {
                let name = text.as_mut_ptr();
                fusiform_gallery_identify(people, ida, 0, 1e-3, out, name, capacity, error)
            }
        })
        .unwrap();
        (found.is_named, found.name_bytes, text)
    };
    let written = |bytes: &[u8]| {
        let mut text = [0x55 as c_char; 8];
        text.iter_mut()
            .zip(bytes)
            .for_each(|(to, b)| *to = *b as c_char);
        text
    };
    assert_eq!(identify(8), (true, 4, written("Idä\0".as_bytes())));
    // Half a character is none.
    assert_eq!(identify(4), (true, 4, written(b"Id\0")));
    assert_eq!(identify(0), (true, 4, written(b"")));

    assert_eq!(c!(fusiform_gallery_count, people).unwrap(), 1usize);
    let erased: bool = c!(fusiform_gallery_erase, people, name.as_ptr()).unwrap();
    assert!(erased);
    assert!(!identify(8).0);
    assert_eq!(c!(fusiform_gallery_erase_ended, people).unwrap(), 0usize);
    let busy = c!(fusiform_gallery_open, file.as_ptr(), engine).unwrap_err();
    assert_eq!(busy.0, FusiformCode::Busy);
    // SAFETY: no pointer but NULL for the error.
    let code = unsafe { fusiform_gallery_close(people, null_mut()) };
    assert_eq!(code, FusiformCode::Ok);
    assert!(c!(fusiform_gallery_open, file.as_ptr(), engine).is_ok());
}

unsafe extern "C" fn stop_at_once(context: *mut c_void, _done: usize, _files: usize) -> bool {
    // SAFETY: the test hands over its counter.
    unsafe { *context.cast::<u32>() += 1 };
    false
}

unsafe extern "C" fn count(context: *mut c_void, path: *const c_char, _bbox: FusiformBox) {
    // SAFETY: the test hands over its counter, and the library a text.
    unsafe {
        assert!(CStr::from_ptr(path).to_str().unwrap().ends_with(".jpg"));
        *context.cast::<u32>() += 1;
    }
}

#[test]
fn an_album_is_scanned_stopped_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = CString::new(dir.path().join("album.db").to_str().unwrap()).unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/album");
    let samples = CString::new(samples.to_str().unwrap()).unwrap();
    let album: FusiformAlbum = c!(fusiform_album_open, file.as_ptr(), engine()).unwrap();
    let folders = [samples.as_ptr()];
    let mut calls = 0u32;
    let context: *mut c_void = (&raw mut calls).cast();
    let scan = |progress, context| -> FusiformScanSummary {
        c!(
            fusiform_album_scan,
            album,
            folders.as_ptr(),
            1,
            progress,
            None,
            context
        )
        .unwrap()
    };
    assert!(scan(Some(stop_at_once), context).is_interrupted);
    assert!(calls > 0);
    let whole = scan(None, null_mut());
    assert!(!whole.is_interrupted && whole.n_files == 25 && whole.n_problems == 0);
    let grouped: FusiformGroupSummary = c!(fusiform_album_group, album).unwrap();
    let mut people = vec![
        FusiformPerson {
            id: 0,
            n_photos: 0,
            n_faces: 0,
            name_bytes: 0,
        };
        2
    ];
    let n: usize = c!(fusiform_album_people, album, people.as_mut_ptr(), 2).unwrap();
    assert!(n == grouped.n_people && n > 2 && people[0].n_faces >= people[1].n_faces);
    // SAFETY: good pointers.
    unsafe {
        let id = people[0].id;
        assert_eq!(
            fusiform_album_name(album, id, c"Ida".as_ptr(), null_mut()),
            FusiformCode::Ok
        );
        let (mut name, mut n_bytes) = ([0 as c_char; 9], 0);
        let code =
            fusiform_album_person_name(album, id, name.as_mut_ptr(), 9, &mut n_bytes, null_mut());
        assert_eq!((code, n_bytes), (FusiformCode::Ok, 3));
        assert_eq!(CStr::from_ptr(name.as_ptr()), c"Ida");
        calls = 0;
        assert_eq!(
            fusiform_album_photos_of(album, id, Some(count), (&raw mut calls).cast(), null_mut()),
            FusiformCode::Ok
        );
        assert_eq!(calls as usize, people[0].n_faces);
        assert_eq!(
            fusiform_album_photos_of(album, id, None, null_mut(), null_mut()),
            FusiformCode::BadOption
        );
        assert_eq!(
            fusiform_album_name(album, 9999, c"Tom".as_ptr(), null_mut()),
            FusiformCode::UnknownPerson
        );
        assert_eq!(fusiform_album_close(album, null_mut()), FusiformCode::Ok);
    }
}

#[test]
fn threads_use_and_close_the_same_handles() {
    let engine = engine();
    let people: FusiformGallery = c!(fusiform_gallery_open, null(), engine).unwrap();
    let ida = photo(engine, "ida.jpg");
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                let name = CString::new(format!("p{number}")).unwrap();
                for turn in 0..20 {
                    // SAFETY: good pointers; the handle may be closed by another thread.
                    let code = unsafe {
                        if number == 0 && turn == 15 {
                            fusiform_gallery_close(people, null_mut());
                        }
                        fusiform_gallery_enrol(people, name.as_ptr(), ida, 0, null(), null_mut())
                    };
                    let fine = [FusiformCode::Ok, FusiformCode::BadHandle];
                    assert!(fine.contains(&code), "{code:?}");
                }
            });
        }
    });
    assert_eq!(
        c!(fusiform_gallery_count, people)
            .map(|n: usize| n)
            .unwrap_err()
            .0,
        FusiformCode::BadHandle
    );
}

#[test]
fn codes_have_names() {
    let name = |code| {
        // SAFETY: a text of the library that is never freed.
        unsafe { CStr::from_ptr(fusiform_code_name(code)) }
            .to_str()
            .unwrap()
    };
    assert_eq!(
        (name(0), name(10), name(47), name(9)),
        ("ok", "not_a_photo", "database", "unknown")
    );
    // SAFETY: a text of the library that is never freed.
    let version = unsafe { CStr::from_ptr(fusiform_version()) };
    assert_eq!(version.to_str().unwrap(), env!("CARGO_PKG_VERSION"));
}
