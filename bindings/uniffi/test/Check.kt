// What Kotlin is promised beyond the examples: errors with kinds, pixels, packs in memory, consent, closed objects,
// callbacks, threads. Ends with an exception at the first thing that is not so. CheckKt FOLDER-OF-THE-REPOSITORY WORK-FOLDER
import fusiform.Album
import fusiform.Consent
import fusiform.Engine
import fusiform.FusiformException
import fusiform.Gallery
import fusiform.Judgement
import fusiform.PixelFormat
import fusiform.PixelPlane
import fusiform.Pixels
import fusiform.ScanProgress
import java.io.File
import java.util.concurrent.Callable
import java.util.concurrent.Executors

fun kind(action: () -> Unit): String {
    try {
        action()
    } catch (error: FusiformException.Failed) {
        check(error.code > 0u && error.reason.isNotEmpty() && error.kind in error.message!!) { error }
        return error.kind
    }
    error("nothing was thrown")
}

fun main(arguments: Array<String>) {
    val (root, work) = arguments
    val album = "$root/samples/album"
    val (portrait, same, other) = listOf("16", "17", "14").map { "$album/$it-portrait.jpg" }
    val engine = Engine()
    val mara = engine.analyseFile(portrait).largest!!

    check(mara.template().size == engine.dimensions().toInt() && mara.landmarks().size == 5)
    check(mara.alignedRgb().size == 112 * 112 * 3 && !mara.isUnclear() && mara.model() == engine.model())
    check(mara.quality().overall in 0.1f..1f && mara.bbox().xMax > mara.bbox().xMin && mara.score() > 0.5f)
    val bytes = engine.analyseBytes(File(portrait).readBytes()).largest!!
    check(bytes.template() == mara.template())
    val pack = File("$root/crates/fusiform/packs/base")
    val files = pack.listFiles()!!.filter { it.extension == "onnx" }.associate { it.name to it.readBytes() }
    val manifest = File(pack, "manifest.toml").readText()
    for (again in listOf(Engine.fromMemory(manifest, files), Engine.fromFolder(pack.path))) {
        check(again.analyseFile(portrait).largest!!.template() == mara.template())
    }
    check(engine.verify(mara, engine.analyseFile(other).largest!!).verdict == Judgement.DIFFERENT)
    check(engine.thresholds().map { it.fmr } == listOf(1e-2, 1e-3, 1e-4, 1e-5))

    check(kind { engine.analyseBytes("a text".toByteArray()) } == "not_a_photo")
    check(kind { engine.analyseBytes(ByteArray(0)) } == "not_a_photo")
    check(kind { engine.analyseFile("/nowhere.jpg") } == "io")
    check(kind { engine.threshold(1e-9) } == "uncalibrated")
    check(kind { Engine.fromFolder("/nowhere") } == "io")
    check(kind { Engine.fromMemory(manifest, mapOf()) } != "internal")
    check(kind { mara.similarity(mara); Gallery.openWithKey("$work/x.db", "no key", engine) } == "wrong_key")

    val luma = PixelPlane(ByteArray(64 * 48) { 128.toByte() }, 64u)
    val chroma = PixelPlane(ByteArray(64 * 24) { 128.toByte() }, 64u)
    val grey = engine.analysePixels(Pixels(PixelFormat.NV21, 64u, 48u, listOf(luma, chroma), 90u.toUShort()))
    check(grey.faces.isEmpty() && grey.largest == null && grey.widthPx == 48u && grey.heightPx == 64u)
    val unfit = listOf(
        Pixels(PixelFormat.NV21, 64u, 48u, listOf(luma), 0u.toUShort()),
        Pixels(PixelFormat.RGB, 64u, 48u, listOf(luma), 0u.toUShort()),
        Pixels(PixelFormat.GREY, 64u, 48u, listOf(PixelPlane(luma.bytes, ULong.MAX_VALUE)), 0u.toUShort()),
        Pixels(PixelFormat.GREY, 64u, 48u, listOf(luma), 45u.toUShort()),
        Pixels(PixelFormat.GREY, 64u, 0u, listOf(luma), 0u.toUShort()),
    )
    for (pixels in unfit) check(kind { engine.analysePixels(pixels) } in listOf("bad_option", "damaged_photo", "not_a_photo"))

    val people = Gallery.open("$work/people.db", engine)
    people.enrol("Mara", mara, Consent("consent", "a test", System.currentTimeMillis() + 3_600_000))
    check(people.identify(engine.analyseFile(same).largest!!).name == "Mara")
    check(people.people().single().consent.purpose == "a test")
    check(kind { people.enrol("Late", mara, Consent("consent", "a test", 1000)) } != "internal")
    check(kind { Gallery.open("$work/people.db", engine) } == "busy")
    check(people.erase("Mara") && !people.erase("Mara") && people.eraseEnded() == 0uL)
    people.shut()
    people.shut()
    check(kind { people.people() } == "bad_handle")
    people.close()
    check(runCatching { people.people() }.exceptionOrNull() is IllegalStateException)

    Album.open("$work/album.db", engine).use { photos ->
        val asked = mutableListOf<ULong>()
        val stopped = photos.scan(listOf(album), object : ScanProgress {
            override fun goesOn(nDone: ULong, nFiles: ULong): Boolean = asked.add(nDone) && nDone < 2uL
        })
        check(stopped.isInterrupted && asked.size >= 2)
        check(!photos.scan(listOf(album)).isInterrupted && photos.group() > 3uL)
        val first = photos.people().first()
        photos.name(first.id, "Zoë")
        check(photos.findPerson("ZOË") == first.id && photos.photosOf(first.id).size.toULong() == first.nFaces)
        check(photos.undo().size == 1 && kind { photos.findPerson("Zoë") } == "unknown_person")
        check(photos.erase(first.id) == first.nFaces)
        photos.shut()
        check(kind { photos.people() } == "bad_handle")
    }

    val threads = Executors.newFixedThreadPool(8)
    val tasks = List(32) { Callable { engine.analyseFile(portrait).largest!!.template() } }
    check(threads.invokeAll(tasks).all { it.get() == mara.template() })
    threads.shutdown()
    println("Kotlin keeps its promises")
}
