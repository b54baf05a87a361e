// Who is in this photo: portraits with names first, then a photo of several people.
//
//     WhoIsInPhotoKt PHOTO NAME=PORTRAIT ...
import fusiform.Engine
import fusiform.Gallery
import java.util.Locale

fun main(arguments: Array<String>) {
    val engine = Engine()
    val people = Gallery.inMemory(engine)
    for (portrait in arguments.drop(1)) {
        val (name, path) = portrait.split("=", limit = 2)
        people.enrol(name, engine.analyseFile(path).largest ?: error("no face in $path"))
    }
    for (face in engine.analyseFile(arguments[0]).faces) {
        val found = people.identify(face, fmr = 1e-3)
        val box = face.bbox()
        println(
            "%s at %.1f, %.1f: similarity %.3f".format(
                Locale.ROOT, found.name ?: "unknown", box.xMin, box.yMin, found.similarity ?: 0f,
            ),
        )
    }
}
