# Hashes, regular expressions, sorting and strings.
use strict;
use warnings;

my ($seed, %count, @words) = (12345);
for my $n (1 .. 120000) {
    $seed = ($seed * 1103515245 + 12345) % 2147483648;
    my $word = sprintf "w%x", $seed % 5003;
    $count{$word}++;
    push @words, $word if $n % 4 == 0;
}
my @sorted = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
print scalar(@sorted), " $sorted[0] $count{$sorted[0]}\n";

my $text = join ' ', @words;
my $pairs = () = $text =~ /\bw([0-9a-f])[0-9a-f]*\1\b/g;
(my $other = $text) =~ s/w([a-f])(\d+)/$2$1/g;
print "$pairs ", length $other, " ", unpack('%32C*', $other), "\n";

my @rows = map { [ split /[37]/, $_ ] } @words;
my $sum = 0;
$sum += @$_ for @rows;
print "$sum\n";
