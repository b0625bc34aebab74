#!/usr/bin/perl
# Takes mails apart by Email::MIME and Email::Address::XS: the files named, one line of JSON each.
use strict;
use warnings;
use Email::MIME;
use Email::Address::XS qw(parse_email_addresses);
use JSON::PP;

my $json = JSON::PP->new->utf8->canonical;
for my $path (@ARGV) {
    open my $file, '<:raw', $path or die "$path: $!";
    my $mail = Email::MIME->new(do { local $/; scalar <$file> });
    my @parts;
    $mail->walk_parts(sub {
        my ($part) = @_;
        return if $part->subparts;
        my $type = $part->content_type;
        push @parts, {
            type => $type =~ m{^([^;\s]+)} ? lc $1 : '',
            name => $part->filename,
            text => $type =~ m{^text/} ? $part->body_str : undef,
            size => length $part->body,
        };
    });
    my %addresses;
    for my $name (qw(From To Reply-To)) {
        next unless defined $mail->header_raw($name);
        $addresses{$name} = [map {
            { valid => $_->is_valid ? JSON::PP::true : JSON::PP::false, address => $_->address }
        } parse_email_addresses($mail->header_raw($name))];
    }
    print $json->encode({
        names => [$mail->header_names],
        order => [grep { defined } do { my @all = $mail->header_raw_pairs; map { $all[2 * $_] } 0 .. $#all / 2 }],
        subject => scalar $mail->header_str('Subject'),
        from => scalar $mail->header_str('From'),
        addresses => \%addresses,
        parts => \@parts,
    }), "\n";
}
