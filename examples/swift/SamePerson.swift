// Is this the same person: two photos, one answer, and what it rests on.
//
//     SamePerson PHOTO PHOTO
import Foundation
import Fusiform

@main
struct SamePerson {
    static func main() throws {
        let engine = try Engine()
        let faces = try CommandLine.arguments.dropFirst().map {
            try engine.analyseFile(path: $0).largest
        }
        guard faces.count == 2, let a = faces[0], let b = faces[1] else { return }
        let answer = try engine.verify(a: a, b: b)
        print("\(answer.verdict): similarity \(String(format: "%.3f", answer.similarity))")
        let (fmr, similarity) = (answer.sameAt.fmr, answer.sameAt.similarity)
        print(String(format: "%.4f of strangers reach %.3f", fmr, similarity))
    }
}
