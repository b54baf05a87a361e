/* Fusiform for C and C++. Made by cbindgen from crates/ffi; do not edit.
 *
 * Results. Every function gives a FusiformCode: FUSIFORM_CODE_OK, or what class of thing went wrong;
 * numbers never change. What is to blame and what helps is written into the FusiformError that the
 * caller hands over, or may leave out (NULL). On failure nothing else is written.
 *
 * Ownership. Handles (FusiformEngine, FusiformPhoto, FusiformGallery, FusiformAlbum) are numbers,
 * freely copied, and 0 is none. Whoever opens one closes it once; memory is freed when the last call
 * that uses it has returned. A handle that is closed, or never was one, is FUSIFORM_CODE_BAD_HANDLE
 * and nothing worse: numbers are not used again. Everything else belongs to the caller: bytes and
 * texts are read during the call and not kept, answers are written into the caller's memory, and
 * nothing that this library returns is ever freed by the caller.
 *
 * Pointers. NULL, a misaligned pointer and a length that does not fit are FUSIFORM_CODE_BAD_OPTION
 * where a value is needed. A pointer that is not NULL must point to memory as large as its type, its
 * array, or up to the zero that ends its text; no function can check that.
 *
 * Texts. UTF-8, ended by a zero. A text is given back as by snprintf: as much as fits is written,
 * whole characters and a zero, and the length of all of it in bytes is said.
 *
 * Threads. Every function may be called from every thread at any time, with the same handles. Engines
 * and photos never change and are used side by side; calls that change a gallery or an album take
 * turns. Every call works on the thread that makes it, but for these: fusiform_album_scan has threads
 * that end before it returns; fusiform_gallery_open, fusiform_gallery_identify and fusiform_album_group
 * share a pool that the first of them starts and that lasts as long as the process; a gallery has a
 * thread that writes its log, from when it is needed until the gallery is closed.
 * After fork a child must not use the library, but may execute a program that does: the pool is not
 * there, and a lock may be held by a thread that is not there, so that a call would wait for ever.
 * Handles are of the parent alone, and say so where a call gets that far (FUSIFORM_CODE_BAD_HANDLE).
 *
 * Nothing is printed but the note that Rust makes of a defect (a panic), which does not cross this
 * boundary: the call returns FUSIFORM_CODE_INTERNAL. No variable of the environment is read. */

#ifndef FUSIFORM_H
#define FUSIFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of a message, its zero included; a longer one ends early, after a whole character.
#define FUSIFORM_MESSAGE_BYTES 512

// One plane: red, green, blue.
#define FUSIFORM_FORMAT_RGB 0

// One plane: blue, green, red, as OpenCV has it.
#define FUSIFORM_FORMAT_BGR 1

// One plane: red, green, blue, opacity; laid on white.
#define FUSIFORM_FORMAT_RGBA 2

// One plane: blue, green, red, opacity; laid on white.
#define FUSIFORM_FORMAT_BGRA 3

// One plane of brightness.
#define FUSIFORM_FORMAT_GREY 4

// Two planes: luma; pairs of blue and red difference for each two by two pixels.
#define FUSIFORM_FORMAT_NV12 5

// Two planes: luma; pairs of red and blue difference for each two by two pixels.
#define FUSIFORM_FORMAT_NV21 6

// Three planes (YUV420): luma, blue difference, red difference.
#define FUSIFORM_FORMAT_I420 7

// BT.709 from 720 rows on, else BT.601; 16 to 235.
#define FUSIFORM_YUV_USUAL 0

// BT.601, 16 to 235.
#define FUSIFORM_YUV_BT601 1

// BT.601, 0 to 255; Android's cameras and JPEG.
#define FUSIFORM_YUV_BT601_FULL 2

// BT.709, 16 to 235.
#define FUSIFORM_YUV_BT709 3

// BT.709, 0 to 255.
#define FUSIFORM_YUV_BT709_FULL 4

// What class of thing went wrong; a number never changes and is never used again.
typedef enum {
  // Done.
  FUSIFORM_CODE_OK = 0,
  // A file or folder cannot be read or written.
  FUSIFORM_CODE_IO = 1,
  // A defect of this library; please report it.
  FUSIFORM_CODE_INTERNAL = 2,
  // An argument is NULL, misaligned, too short or outside its range.
  FUSIFORM_CODE_BAD_OPTION = 3,
  // A handle that was closed, that never was one, or that another process opened.
  FUSIFORM_CODE_BAD_HANDLE = 4,
  // The bytes are not an image of a known format.
  FUSIFORM_CODE_NOT_A_PHOTO = 10,
  // The image is truncated or contradicts its format.
  FUSIFORM_CODE_DAMAGED_PHOTO = 11,
  // A known format with content that no decoder here covers.
  FUSIFORM_CODE_UNSUPPORTED_PHOTO = 12,
  // More bytes, pixels, scans or time than the limits allow.
  FUSIFORM_CODE_PHOTO_TOO_LARGE = 13,
  // No face in a photo that needs one.
  FUSIFORM_CODE_NO_FACE = 14,
  // A face that cannot be brought upright, or by which nobody can be recognised.
  FUSIFORM_CODE_UNUSABLE_FACE = 15,
  // The file is no video of a known container, or has no moving pictures.
  FUSIFORM_CODE_NOT_A_VIDEO = 16,
  // A video that is coded in a way that no decoder here covers.
  FUSIFORM_CODE_UNSUPPORTED_VIDEO = 17,
  // More pixels or coded frames than the limits allow.
  FUSIFORM_CODE_VIDEO_TOO_LARGE = 18,
  // No pack of that name.
  FUSIFORM_CODE_UNKNOWN_PACK = 20,
  // The manifest is not valid, or names something that this build does not know.
  FUSIFORM_CODE_BAD_MANIFEST = 21,
  // A weights file has another SHA-256 than its manifest states.
  FUSIFORM_CODE_HASH_MISMATCH = 22,
  // Another pack has that name.
  FUSIFORM_CODE_PACK_TAKEN = 23,
  // The pack has no detector.
  FUSIFORM_CODE_LACKS_DETECTOR = 24,
  // The pack has no embedder.
  FUSIFORM_CODE_LACKS_EMBEDDER = 25,
  // The pack states no threshold at the false-match rate asked for.
  FUSIFORM_CODE_UNCALIBRATED = 26,
  // A network cannot be loaded or run.
  FUSIFORM_CODE_BAD_NETWORK = 27,
  // Templates of different models were to be compared.
  FUSIFORM_CODE_MODEL_MISMATCH = 30,
  // Nobody of that name or number.
  FUSIFORM_CODE_UNKNOWN_PERSON = 31,
  // The name belongs to somebody else.
  FUSIFORM_CODE_NAME_TAKEN = 32,
  // The text cannot be a name.
  FUSIFORM_CODE_BAD_NAME = 33,
  // No such photo or face.
  FUSIFORM_CODE_NOT_FOUND = 34,
  // A decision that contradicts itself or changes nothing, or a consent that has ended.
  FUSIFORM_CODE_REFUSED = 35,
  // The file is not one of ours, or is damaged.
  FUSIFORM_CODE_BAD_FILE = 40,
  // A newer version of this library wrote the file.
  FUSIFORM_CODE_NEWER_FILE = 41,
  // The file may not be written to.
  FUSIFORM_CODE_READ_ONLY = 42,
  // No room is left on the disk.
  FUSIFORM_CODE_DISK_FULL = 43,
  // Another process uses the file.
  FUSIFORM_CODE_BUSY = 44,
  // The key does not open the file, or is not a key.
  FUSIFORM_CODE_WRONG_KEY = 45,
  // A sealed record or the audit log was altered.
  FUSIFORM_CODE_TAMPERED = 46,
  // The database reports anything else.
  FUSIFORM_CODE_DATABASE = 47,
} FusiformCode;

// The verdict of a one-to-one check.
typedef enum {
  // Below the similarity of a false-match rate of 1e-2.
  FUSIFORM_VERDICT_DIFFERENT = 0,
  // At or above that of 1e-3.
  FUSIFORM_VERDICT_SAME = 1,
  // Between the two.
  FUSIFORM_VERDICT_UNSURE = 2,
} FusiformVerdict;

// The networks of a model pack, ready to run; 0 is none.
typedef struct {
  // For the library alone.
  uint64_t id;
} FusiformEngine;

// A photo library; 0 is none.
typedef struct {
  // For the library alone.
  uint64_t id;
} FusiformAlbum;

// Why a call failed, for people; filled on failure, left alone otherwise.
typedef struct {
  // As the function returned it.
  FusiformCode code;
  // UTF-8, ended by a zero: what is to blame, and what helps.
  char message[FUSIFORM_MESSAGE_BYTES];
} FusiformError;

// Is told of progress, on the thread that scans: files done and of all. False ends the scan after
// the files under way. It must return, and must not use the album.
typedef bool (*FusiformProgress)(void *context, size_t n_done, size_t n_files);

// Is told of a file that could not be used, and why; both texts end with the call. It must return,
// and must not use the album.
typedef void (*FusiformProblem)(void *context, const char *path, const char *why);

// What a scan did.
typedef struct {
  // Files with the name of a photo.
  size_t n_files;
  // Recorded by an earlier scan and not read again.
  size_t n_unchanged;
  // Pictures that are new.
  size_t n_analysed;
  // Faces found in those.
  size_t n_new_faces;
  // Files and folders that could not be used; the callback is told which.
  size_t n_problems;
  // Whether the callback asked it to stop before the end.
  bool is_interrupted;
} FusiformScanSummary;

// What a grouping found.
typedef struct {
  // People with at least one face.
  size_t n_people;
  // Faces assigned to a person.
  size_t n_members;
  // Faces assigned to nobody.
  size_t n_unassigned;
} FusiformGroupSummary;

// A person of an album, named or not.
typedef struct {
  // Their number, which never changes.
  int64_t id;
  // In how many photos they are.
  size_t n_photos;
  // How many faces they have.
  size_t n_faces;
  // Bytes of their name without the zero; 0 if they have none.
  size_t name_bytes;
} FusiformPerson;

// An upright rectangle in pixels of the upright photo; it may reach over the photo's edge.
typedef struct {
  // Left edge.
  float x_min;
  // Top edge.
  float y_min;
  // Right edge.
  float x_max;
  // Bottom edge.
  float y_max;
} FusiformBox;

// Is told of a photo of a person; the path ends with the call. It must return, and must not use
// the album.
typedef void (*FusiformVisitPhoto)(void *context, const char *path, FusiformBox bbox);

// A file of a pack in memory.
typedef struct {
  // Its name, as the manifest has it.
  const char *name;
  // Its content.
  const uint8_t *bytes;
  // Bytes of its content.
  size_t n_bytes;
} FusiformPackFile;

// A similarity and the error rates that were measured at it.
typedef struct {
  // False-match rate: the share of pairs of different people that reach the similarity.
  double fmr;
  // False non-match rate: the share of pairs of one person that do not reach it.
  double fnmr;
  // Cosine similarity, -1 to 1; larger is nearer.
  float similarity;
} FusiformThreshold;

// How to look for faces; zeros mean what is usual.
typedef struct {
  // Shorter side, in pixels of the photo, of the smallest face to find.
  float min_face_px;
  // Least score of a face, 0 to 1.
  float min_score;
  // Longest side of the copy that the detector sees first.
  uint32_t longest_side_px;
  // Pixels that a photo or frame may have.
  uint64_t max_pixels;
} FusiformOptions;

// An analysed photo with its faces; 0 is none.
typedef struct {
  // For the library alone.
  uint64_t id;
} FusiformPhoto;

// Rows of samples of 8 bits.
typedef struct {
  // The rows from the top, the last one at least to its last sample.
  const uint8_t *bytes;
  // Bytes that may be read.
  size_t n_bytes;
  // Bytes from the beginning of a row to that of the next.
  size_t stride_bytes;
} FusiformPlane;

// A picture as a camera or decoder holds it.
typedef struct {
  // One of FUSIFORM_FORMAT_….
  uint32_t format;
  // Pixels in a stored row.
  uint32_t width_px;
  // Stored rows.
  uint32_t height_px;
  // Clockwise degrees that bring it upright: 0, 90, 180 or 270.
  uint32_t rotation_deg;
  // One of FUSIFORM_YUV_…; without effect for formats of RGB and grey.
  uint32_t yuv;
  // As many as the format has; others are not looked at.
  FusiformPlane planes[3];
} FusiformFrame;

// Enrolled people; 0 is none.
typedef struct {
  // For the library alone.
  uint64_t id;
} FusiformGallery;

// On what ground a person is enrolled.
typedef struct {
  // The legal ground: consent, contract, household and the like.
  const char *basis;
  // What the enrolment is for.
  const char *purpose;
  // When it ends, in milliseconds since 1970; 0 is until erased.
  int64_t expires_at_ms;
} FusiformConsent;

// Who a face is, and what the answer rests on.
typedef struct {
  // Whether the nearest enrolled person is near enough to be named.
  bool is_named;
  // Whether anybody is enrolled, so that `similarity` means something.
  bool has_similarity;
  // To the nearest enrolled face, named or not.
  float similarity;
  // Bytes of the whole name without its zero; 0 if nobody is named.
  size_t name_bytes;
  // From which on a face is named.
  FusiformThreshold threshold;
} FusiformIdentification;

// What is known of a photo as a whole.
typedef struct {
  // Width in pixels, upright.
  uint32_t width_px;
  // Height in pixels, upright.
  uint32_t height_px;
  // Clockwise degrees that bring its faces upright: 0, 90, 180 or 270.
  uint32_t turn_deg;
  // Faces, best detector score first; they are numbered from 0.
  size_t n_faces;
} FusiformPhotoInfo;

// A position in pixels of the upright photo.
typedef struct {
  // From the left edge.
  float x;
  // From the top edge.
  float y;
} FusiformPoint;

// How much of a recogniser's accuracy a face keeps, 0 to 1, with the reasons; and where it looks.
typedef struct {
  // Product of the others but `frontal`; 0 for a face by which nobody can be recognised.
  float overall;
  // From the distance between the eyes.
  float size;
  // From fine detail against coarse contrast.
  float sharpness;
  // From contrast and clipped pixels.
  float exposure;
  // From yaw and pitch.
  float frontal;
  // How far the face is from those that cannot be recognised.
  float recognisability;
  // Turned to the subject's left is positive.
  float yaw_deg;
  // Looking up is positive.
  float pitch_deg;
  // Turned clockwise in the picture is positive.
  float roll_deg;
} FusiformQuality;

// One face of a photo.
typedef struct {
  // Where it is.
  FusiformBox bbox;
  // The detector's score, 0 to 1. Not a probability.
  float score;
  // Whether `landmarks` are known.
  bool has_landmarks;
  // Whether it has a template, which fusiform_photo_template gives.
  bool has_template;
  // Whether nobody can be recognised in it: too small, too blurred, or no face.
  bool is_unclear;
  // The subject's right eye, left eye, tip of the nose, right and left corner of the mouth.
  FusiformPoint landmarks[5];
  // How good it is.
  FusiformQuality quality;
} FusiformFace;

// Whether two faces are of one person, and what the answer rests on.
typedef struct {
  // Cosine similarity, -1 to 1; larger is nearer.
  float similarity;
  // The decision.
  FusiformVerdict verdict;
  // At or above: same.
  FusiformThreshold same_at;
  // Below: different.
  FusiformThreshold different_below;
} FusiformVerification;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Opens an album, or makes it. The engine may be closed before it.
FusiformCode fusiform_album_open(const char *path,
                                 FusiformEngine engine,
                                 FusiformAlbum *album,
                                 FusiformError *error);

// Records every new or changed photo below the folders, on all cores; fusiform_album_group makes
// people. Known photos that did not change are not read again. `progress` and `problem` may be
// NULL.
FusiformCode fusiform_album_scan(FusiformAlbum album,
                                 const char *const *folders,
                                 size_t n_folders,
                                 FusiformProgress progress,
                                 FusiformProblem problem,
                                 void *context,
                                 FusiformScanSummary *summary,
                                 FusiformError *error);

// Groups the faces into people, if anything changed since that was last done.
FusiformCode fusiform_album_group(FusiformAlbum album,
                                  FusiformGroupSummary *summary,
                                  FusiformError *error);

// All people with a name or a face, those with most faces first: as many as there is room for, and
// how many there are. `people` may be NULL with a capacity of 0.
FusiformCode fusiform_album_people(FusiformAlbum album,
                                   FusiformPerson *people,
                                   size_t capacity,
                                   size_t *n_people,
                                   FusiformError *error);

// The name of a person; an empty one if they have none.
FusiformCode fusiform_album_person_name(FusiformAlbum album,
                                        int64_t person_id,
                                        char *name,
                                        size_t name_capacity,
                                        size_t *name_bytes,
                                        FusiformError *error);

// Tells of each photo of a person, by date.
FusiformCode fusiform_album_photos_of(FusiformAlbum album,
                                      int64_t person_id,
                                      FusiformVisitPhoto visit,
                                      void *context,
                                      FusiformError *error);

// Names a person. It outlives new scans, new groupings and other models.
FusiformCode fusiform_album_name(FusiformAlbum album,
                                 int64_t person_id,
                                 const char *name,
                                 FusiformError *error);

// Closes an album.
FusiformCode fusiform_album_close(FusiformAlbum album, FusiformError *error);

// The version of the library, such as `0.2.0`. Never freed.
const char *fusiform_version(void);

// Opens the pack that is compiled in.
FusiformCode fusiform_engine_open_builtin(FusiformEngine *engine, FusiformError *error);

// Opens the pack in a folder.
FusiformCode fusiform_engine_open_folder(const char *path,
                                         FusiformEngine *engine,
                                         FusiformError *error);

// Opens a pack in memory: the text of its manifest, and the files that it names. Their bytes may
// go when this returns.
FusiformCode fusiform_engine_open_memory(const char *manifest,
                                         const FusiformPackFile *files,
                                         size_t n_files,
                                         FusiformEngine *engine,
                                         FusiformError *error);

// Closes an engine. Photos, galleries and albums that it made stay open.
FusiformCode fusiform_engine_close(FusiformEngine engine, FusiformError *error);

// Numbers in a template; 0 if the pack has no embedder.
FusiformCode fusiform_engine_dimensions(FusiformEngine engine,
                                        size_t *dimensions,
                                        FusiformError *error);

// The similarity measured at a false-match rate, which the pack must state: nothing is
// interpolated (FUSIFORM_CODE_UNCALIBRATED).
FusiformCode fusiform_engine_threshold(FusiformEngine engine,
                                       double fmr,
                                       FusiformThreshold *threshold,
                                       FusiformError *error);

// The faces of a photo in memory: the bytes of a file in any format that is read. `options` may be
// NULL.
FusiformCode fusiform_analyse_bytes(FusiformEngine engine,
                                    const uint8_t *bytes,
                                    size_t n_bytes,
                                    const FusiformOptions *options,
                                    FusiformPhoto *photo,
                                    FusiformError *error);

// The faces of a photo in a file. `options` may be NULL.
FusiformCode fusiform_analyse_file(FusiformEngine engine,
                                   const char *path,
                                   const FusiformOptions *options,
                                   FusiformPhoto *photo,
                                   FusiformError *error);

// The faces of a frame of a camera or decoder, as it lies in the caller's memory. `options` may be
// NULL.
//
// Each pixel is converted to RGB once, into memory of the library, and upright if the frame is
// rotated (which moves it once more); nothing else is copied, and nothing is kept.
FusiformCode fusiform_analyse_frame(FusiformEngine engine,
                                    const FusiformFrame *frame,
                                    const FusiformOptions *options,
                                    FusiformPhoto *photo,
                                    FusiformError *error);

// The name of a code, such as `not_a_photo`, or `unknown` for another number. Never freed.
const char *fusiform_code_name(uint32_t code);

// Opens the people in a file, or makes it, with the key in the file beside it (`people.key` for
// `people.db`, made on first use). With a `path` of NULL people are kept in memory.
FusiformCode fusiform_gallery_open(const char *path,
                                   FusiformEngine engine,
                                   FusiformGallery *gallery,
                                   FusiformError *error);

// Enrols a face under a name; a person may have several. On disk when this returns. A `consent` of
// NULL states none; another replaces what the person had.
FusiformCode fusiform_gallery_enrol(FusiformGallery gallery,
                                    const char *name,
                                    FusiformPhoto photo,
                                    size_t face_index,
                                    const FusiformConsent *consent,
                                    FusiformError *error);

// Who a face is, at a false-match rate that the pack states, such as 1e-3. The name is written
// into `name`, which may be NULL with a capacity of 0.
FusiformCode fusiform_gallery_identify(FusiformGallery gallery,
                                       FusiformPhoto photo,
                                       size_t face_index,
                                       double fmr,
                                       FusiformIdentification *identification,
                                       char *name,
                                       size_t name_capacity,
                                       FusiformError *error);

// How many people are enrolled.
FusiformCode fusiform_gallery_count(FusiformGallery gallery,
                                    size_t *n_people,
                                    FusiformError *error);

// The name of an enrolled person, numbered from 0 in the order in which they came; the number of
// its bytes without the zero is `name_bytes`.
FusiformCode fusiform_gallery_person_name(FusiformGallery gallery,
                                          size_t person_index,
                                          char *name,
                                          size_t name_capacity,
                                          size_t *name_bytes,
                                          FusiformError *error);

// Erases a person with all faces; `is_erased` is false if nobody has that name. The bytes are
// overwritten on disk when this returns.
FusiformCode fusiform_gallery_erase(FusiformGallery gallery,
                                    const char *name,
                                    bool *is_erased,
                                    FusiformError *error);

// Erases everybody whose consent has ended: how many they were.
FusiformCode fusiform_gallery_erase_ended(FusiformGallery gallery,
                                          size_t *n_erased,
                                          FusiformError *error);

// Closes a gallery; another process may open its file when the calls under way have returned.
FusiformCode fusiform_gallery_close(FusiformGallery gallery, FusiformError *error);

// Size of a photo and number of its faces.
FusiformCode fusiform_photo_info(FusiformPhoto photo,
                                 FusiformPhotoInfo *info,
                                 FusiformError *error);

// The face with the largest box: the person whom a portrait shows (FUSIFORM_CODE_NO_FACE if there
// is none).
FusiformCode fusiform_photo_largest(FusiformPhoto photo, size_t *face_index, FusiformError *error);

// One face of a photo.
FusiformCode fusiform_photo_face(FusiformPhoto photo,
                                 size_t face_index,
                                 FusiformFace *face,
                                 FusiformError *error);

// The template of a face: `fusiform_engine_dimensions` numbers of unit length. With a `capacity`
// that is too small nothing is written and FUSIFORM_CODE_BAD_OPTION says how many there are.
FusiformCode fusiform_photo_template(FusiformPhoto photo,
                                     size_t face_index,
                                     float *template_values,
                                     size_t capacity,
                                     FusiformError *error);

// Closes a photo.
FusiformCode fusiform_photo_close(FusiformPhoto photo, FusiformError *error);

// Cosine similarity of two faces, -1 to 1; larger is nearer. What it means depends on the model:
// fusiform_verify judges it.
FusiformCode fusiform_compare(FusiformPhoto photo,
                              size_t face_index,
                              FusiformPhoto other_photo,
                              size_t other_face_index,
                              float *similarity,
                              FusiformError *error);

// Whether two faces are of one person, with the thresholds and error rates that decide.
FusiformCode fusiform_verify(FusiformEngine engine,
                             FusiformPhoto photo,
                             size_t face_index,
                             FusiformPhoto other_photo,
                             size_t other_face_index,
                             FusiformVerification *verification,
                             FusiformError *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FUSIFORM_H */
