<?php
// What Nextcloud's app does with an external model, with the same calls of PHP's curl.
// Usage: php nextcloud.php URL KEY PICTURE OTHER_PERSON NO_PICTURE
[, $url, $key, $picture, $other, $noPicture] = $argv;

function ask(string $url, string $key, ?array $post): string|false
{
    $ch = curl_init();
    curl_setopt($ch, CURLOPT_URL, $url);
    if ($post !== null) {
        curl_setopt($ch, CURLOPT_POST, true);
        curl_setopt($ch, CURLOPT_POSTFIELDS, $post);
    }
    curl_setopt($ch, CURLOPT_HTTPHEADER, ['x-api-key: ' . $key]);
    curl_setopt($ch, CURLOPT_RETURNTRANSFER, true);
    return curl_exec($ch);
}

function check(bool $so, string $what): void
{
    if (!$so) {
        fwrite(STDERR, "not so: $what\n");
        exit(1);
    }
}

$terms = json_decode(ask("$url/open", $key, null), true);
check(intval($terms['maximum_area']) === 8294400, 'maximum_area');
check($terms['preferred_mimetype'] === 'image/jpeg', 'preferred_mimetype');

$detect = function (string $path) use ($url, $key): ?array {
    $answer = ask("$url/detect", $key, ['file' => curl_file_create($path)]);
    return $answer === false ? null : json_decode($answer, true);
};
[$one, $two] = [$detect($picture), $detect($other)];
check($one['faces-count'] === 1 && $two['faces-count'] === 1, 'one face each');
$squares = 0.0;
foreach ($one['faces'][0]['descriptor'] as $i => $value) {
    $squares += ($value - $two['faces'][0]['descriptor'][$i]) ** 2;
}
check(sqrt($squares) > 0.4, 'two people are further apart than the sensitivity');
check($detect($noPicture) === null, 'a file that is no picture is an error of curl, not a photo without faces');

$face = json_encode(['left' => 0] + $one['faces'][0]);
$post = ['file' => curl_file_create($picture, 'image/jpeg', basename($picture)), 'face' => $face];
$computed = json_decode(ask("$url/compute", $key, $post), true);
check(count($computed['face']['descriptor']) === count($one['faces'][0]['descriptor']), 'compute');
echo "open, detect, compute: as the app reads them\n";
