// Is this the same person: two photos, one answer, and what it rests on.
//
//     SamePersonKt PHOTO PHOTO
import fusiform.Engine
import java.util.Locale

fun main(arguments: Array<String>) {
    val engine = Engine()
    val (a, b) = arguments.map { engine.analyseFile(it).largest ?: error("no face in $it") }
    val answer = engine.verify(a, b)
    val verdict = answer.verdict.name.lowercase()
    println("%s: similarity %.3f".format(Locale.ROOT, verdict, answer.similarity))
    val (fmr, similarity) = answer.sameAt
    println("%.4f of strangers reach %.3f".format(Locale.ROOT, fmr, similarity))
}
