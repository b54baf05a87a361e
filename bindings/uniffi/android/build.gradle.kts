// An Android library module. `../build-android.sh` puts the native libraries into src/main/jniLibs and the Kotlin source into
// src/main/kotlin; both are made, not kept.
plugins {
    id("com.android.library")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "fusiform"
    compileSdk = 35
    defaultConfig {
        minSdk = 26
        consumerProguardFiles("consumer-rules.pro")
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
}

dependencies {
    // Calls the native library; the archive for Android has its own native part.
    implementation("net.java.dev.jna:jna:5.17.0@aar")
}
