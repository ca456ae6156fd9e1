# A formula for a tap of your own. Not tried: there is no release yet. Replace <owner> by the account that publishes the
# releases, and each <sha256 …> by the line of SHA256SUMS.
class CognitoLink < Formula
  desc "Links Amazon Cognito user-pool users to external identities, in bulk"
  homepage "https://github.com/<owner>/cognito-link"
  version "0.1.0"
  license "Apache-2.0"

  on_macos do
    on_arm do
      url "https://github.com/<owner>/cognito-link/releases/download/v#{version}/cognito-link-#{version}-aarch64-apple-darwin.tar.gz"
      sha256 "<sha256 of aarch64-apple-darwin>"
    end
    on_intel do
      url "https://github.com/<owner>/cognito-link/releases/download/v#{version}/cognito-link-#{version}-x86_64-apple-darwin.tar.gz"
      sha256 "<sha256 of x86_64-apple-darwin>"
    end
  end
  on_linux do
    on_arm do
      url "https://github.com/<owner>/cognito-link/releases/download/v#{version}/cognito-link-#{version}-aarch64-unknown-linux-gnu.tar.gz"
      sha256 "<sha256 of aarch64-unknown-linux-gnu>"
    end
    on_intel do
      url "https://github.com/<owner>/cognito-link/releases/download/v#{version}/cognito-link-#{version}-x86_64-unknown-linux-gnu.tar.gz"
      sha256 "<sha256 of x86_64-unknown-linux-gnu>"
    end
  end

  def install
    bin.install "cognito-link"
    man1.install Dir["man/man1/*.1"]
    bash_completion.install "completions/cognito-link.bash" => "cognito-link"
    zsh_completion.install "completions/_cognito-link"
    fish_completion.install "completions/cognito-link.fish"
  end

  test do
    (testpath/"pairs.csv").write shell_output("#{bin}/cognito-link template csv")
    assert_match "linked", shell_output("#{bin}/cognito-link link pairs.csv --simulate --rehearse")
  end
end
